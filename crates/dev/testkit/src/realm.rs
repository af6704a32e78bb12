//! A Kerberos realm of the test's own: MIT's KDC on a loopback port with a private configuration.

use std::ffi::OsStr;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// Says that this process already runs inside a realm: its folder.
const INSIDE: &str = "TRANSOM_TEST_REALM";
/// What a KDC writes into its log when it takes requests.
const UP: &str = "commencing operation";
/// A KDC is up within this time, or never.
const START: Duration = Duration::from_secs(20);

/// A realm, until it is dropped.
#[derive(Debug)]
pub struct Realm {
    folder: PathBuf,
    /// Runs in the process that made the realm.
    kdc: Option<Child>,
}

impl Realm {
    /// Its name.
    pub const NAME: &str = "TRANSOM.TEST";
    /// Where Debian's package has the KDC.
    const KDC: &str = "/usr/sbin/krb5kdc";

    /// Makes the realm in a folder that exists and stays as long as the realm, and starts its KDC.
    ///
    /// # Panics
    ///
    /// Where MIT Kerberos is not installed, or does not start.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, "")
    }

    /// The same with further lines in `[libdefaults]` of `krb5.conf`.
    ///
    /// # Panics
    ///
    /// Where MIT Kerberos is not installed, or does not start.
    #[must_use]
    pub fn start_with(folder: &Path, libdefaults: &str) -> Self {
        Self::start_at(folder, libdefaults, Ipv4Addr::LOCALHOST)
    }

    /// The same with the KDC at an address of this machine that others than this machine may reach.
    ///
    /// # Panics
    ///
    /// Where MIT Kerberos is not installed, or does not start.
    #[must_use]
    pub fn start_at(folder: &Path, libdefaults: &str, address: Ipv4Addr) -> Self {
        assert!(
            Path::new(Self::KDC).exists(),
            "krb5-kdc is missing: `cargo xtask test` installs it"
        );
        let mut realm = Self { folder: folder.to_owned(), kdc: None };
        let begun = Instant::now();
        realm.configure(libdefaults, address);
        realm.run("kdb5_util", ["create", "-s", "-W", "-P", "master", "-r", Self::NAME], None);
        // A port that was free a moment ago may be another test's by now.
        while !realm.starts(begun + START) {
            assert!(begun.elapsed() < START, "the KDC does not start");
            realm.configure(libdefaults, address);
        }
        realm
    }

    /// Writes the configuration, with a port that is free.
    #[expect(clippy::expect_used, reason = "what is broken here breaks the test")]
    fn configure(&self, libdefaults: &str, address: Ipv4Addr) {
        let kdc = TcpListener::bind((address, 0))
            .and_then(|listener| listener.local_addr())
            .expect("the address is this machine's, and has a free port");
        let write = |name: &str, text: String| {
            fs::write(self.folder.join(name), text).expect("the folder can be written");
        };
        write("krb5.conf", client_configuration(kdc, libdefaults));
        // A file of its own for the KDC, which would notice what a test changes in the clients'.
        write("server.conf", client_configuration(kdc, libdefaults));
        write("kdc.conf", kdc_configuration(&self.folder, kdc));
        write("kadm5.acl", String::new());
        write("kdc.log", String::new());
    }

    /// Starts the KDC; false where it ends at once.
    #[expect(clippy::expect_used, reason = "a test that needs a peer fails without it")]
    fn starts(&mut self, deadline: Instant) -> bool {
        let mut process = self
            .command(Self::KDC)
            .arg("-n")
            .env("KRB5_CONFIG", self.folder.join("server.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the KDC starts");
        // Its own word: who listens at the port may be somebody else.
        let log = self.folder.join("kdc.log");
        let is_up = || fs::read_to_string(&log).is_ok_and(|log| log.contains(UP));
        while !is_up() {
            let has_ended = process.try_wait().is_ok_and(|status| status.is_some());
            if has_ended || Instant::now() > deadline {
                drop(process.kill());
                drop(process.wait());
                return false;
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.kdc = Some(process);
        true
    }

    /// Runs the rest of a test inside a realm. The library reads its configuration from this process's environment,
    /// which a running test cannot change: so the test is run again, alone, in a process that has it. `test` is the
    /// test's whole name (`module::name`); `None` when that is done. `prepare` fills the realm before that.
    ///
    /// # Panics
    ///
    /// Where the test fails in there, or the realm does not start.
    #[must_use]
    #[expect(clippy::expect_used, reason = "what is broken here breaks the test")]
    pub fn inside(test: &str, libdefaults: &str, prepare: impl FnOnce(&Self)) -> Option<Self> {
        if let Some(folder) = env::var_os(INSIDE) {
            return Some(Self { folder: folder.into(), kdc: None });
        }
        let folder = env::temp_dir().join(format!("transom-realm-{}-{test}", std::process::id()));
        let folder = PathBuf::from(folder.to_string_lossy().replace("::", "-"));
        // Left by a test that was killed.
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).expect("temporary files can be made");
        let realm = Self::start_with(&folder, libdefaults);
        prepare(&realm);
        let program = env::current_exe().expect("a process knows its program");
        let mut command = realm.command(program);
        let output = command.args([test, "--exact", "--nocapture"]).env(INSIDE, &folder).output();
        drop(realm);
        drop(fs::remove_dir_all(&folder));
        check_one(test, &output.expect("a test can be run again"));
        None
    }

    /// Does a part of a test in a process of its own, which sees this realm: under `wrapper` (as `faketime`), with other
    /// variables, by which it knows its part.
    ///
    /// # Panics
    ///
    /// Where the part fails.
    #[expect(clippy::expect_used, reason = "what is broken here breaks the test")]
    pub fn run_part(&self, test: &str, wrapper: &[&str], variables: &[(&str, &str)]) {
        let own = env::current_exe().expect("a process knows its program");
        let (program, arguments) = match wrapper.split_first() {
            Some((first, rest)) => (OsStr::new(first), rest),
            None => (own.as_os_str(), wrapper),
        };
        let mut command = self.command(program);
        command.args(arguments);
        if !wrapper.is_empty() {
            command.arg(&own);
        }
        command.args([test, "--exact", "--nocapture"]).env(INSIDE, &self.folder);
        command.envs(variables.iter().copied());
        check_one(test, &command.output().expect("a part of a test can be run"));
    }

    /// The folder of the realm's files; tests may put theirs there, too.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The clients' `krb5.conf`, for `KRB5_CONFIG`.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.folder.join("krb5.conf")
    }

    /// A program that sees this realm and no other, and no tickets of the user's.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, value) in self.environment() {
            command.env(name, value);
        }
        command
    }

    /// The environment of programs that shall see this realm.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, PathBuf); 5] {
        [
            ("KRB5_CONFIG", self.configuration()),
            ("KRB5_KDC_PROFILE", self.folder.join("kdc.conf")),
            ("KRB5CCNAME", self.folder.join("nobodys-tickets")),
            ("KRB5_KTNAME", self.folder.join("nobodys-keytab")),
            ("KRB5_CLIENT_KTNAME", self.folder.join("nobodys-keytab")),
        ]
    }

    /// Adds a user with further options of `addprinc`: `-maxlife 10s`, `-allow_forwardable`.
    ///
    /// # Panics
    ///
    /// Where `kadmin.local` says no.
    pub fn add_user(&self, name: &str, password: &str, options: &str) {
        self.administer(&format!("addprinc {options} -pw {password} {name}"));
    }

    /// Adds a service (`HTTP/host`) with a random key.
    ///
    /// # Panics
    ///
    /// Where `kadmin.local` says no.
    pub fn add_service(&self, name: &str) {
        self.administer(&format!("addprinc -randkey {name}"));
    }

    /// Writes the keys of principals to a keytab, without changing them.
    ///
    /// # Panics
    ///
    /// Where `kadmin.local` says no.
    pub fn write_keytab(&self, path: &Path, names: &[&str]) {
        for name in names {
            self.administer(&format!("ktadd -norandkey -k {} {name}", path.display()));
        }
    }

    /// One line for `kadmin.local`.
    ///
    /// # Panics
    ///
    /// Where it says no, which its exit status does not tell.
    pub fn administer(&self, line: &str) {
        let told = self.run("kadmin.local", ["-r", Self::NAME, "-q", line], None);
        let failed =
            ["while ", "No such", "not found", "usage:"].iter().any(|word| told.contains(word));
        assert!(!failed, "kadmin.local {line}: {told}");
    }

    /// Buys tickets by a password into a cache, with further arguments of `kinit`: `-f`, `-l 10s`.
    ///
    /// # Panics
    ///
    /// Where `kinit` says no.
    pub fn kinit(&self, name: &str, password: &str, cache: &str, arguments: &[&str]) {
        let all = [arguments, &["-c", cache, name]].concat();
        self.run("kinit", all, Some(password));
    }

    #[expect(clippy::expect_used, reason = "a test that needs a peer fails without it")]
    fn run<I: AsRef<OsStr>>(
        &self,
        program: &str,
        arguments: impl IntoIterator<Item = I>,
        input: Option<&str>,
    ) -> String {
        let path = ["/usr/sbin", "/usr/bin"].map(|folder| Path::new(folder).join(program));
        let path = path.iter().find(|path| path.exists());
        let mut child = self
            .command(path.map_or_else(|| OsStr::new(program), |path| path.as_os_str()))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the programs of MIT Kerberos start");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        if let Some(input) = input {
            // Who does not read it has failed already, and says why.
            drop(stdin.write_all(format!("{input}\n").as_bytes()));
        }
        drop(stdin);
        let output = child.wait_with_output().expect("the program ends");
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{program}: {told}");
        told
    }
}

/// Fails unless that one test ran, and passed. What it printed is shown with a failure only: its harness's lines would be
/// counted with those of the run that it is a part of.
fn check_one(test: &str, output: &Output) {
    let told = String::from_utf8_lossy(&output.stdout);
    let passed = output.status.success() && told.contains("test result: ok. 1 passed; 0 failed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(passed, "{test} in a process of its own: {}\n{told}{errors}", output.status);
}

impl Drop for Realm {
    fn drop(&mut self) {
        if let Some(kdc) = &mut self.kdc {
            // It may have ended by itself.
            drop(kdc.kill());
            drop(kdc.wait());
        }
    }
}

fn client_configuration(kdc: SocketAddr, libdefaults: &str) -> String {
    let realm = Realm::NAME;
    format!(
        "[libdefaults]\n default_realm = {realm}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n \
         dns_canonicalize_hostname = false\n rdns = false\n udp_preference_limit = 1\n {libdefaults}\n\
         [realms]\n {realm} = {{\n  kdc = {kdc}\n }}\n\
         [domain_realm]\n .transom.test = {realm}\n transom.test = {realm}\n localhost = {realm}\n"
    )
}

fn kdc_configuration(folder: &Path, kdc: SocketAddr) -> String {
    let (realm, folder) = (Realm::NAME, folder.display());
    format!(
        "[kdcdefaults]\n kdc_listen = {kdc}\n kdc_tcp_listen = {kdc}\n\
         [realms]\n {realm} = {{\n  database_name = {folder}/principal\n  key_stash_file = {folder}/stash\n  \
         acl_file = {folder}/kadm5.acl\n  max_life = 10h\n  max_renewable_life = 7d\n  supported_enctypes = \
         aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal aes256-cts-hmac-sha384-192:normal \
         aes128-cts-hmac-sha256-128:normal arcfour-hmac:normal\n  default_principal_flags = \
         +forwardable,+preauth\n }}\n[logging]\n kdc = FILE:{folder}/kdc.log\n"
    )
}
