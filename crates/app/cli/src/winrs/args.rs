//! The command line of `winrs`: its switches, its help, and what they mean together.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;

use auth::Secret;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use client::Pin;

use super::certificate::{CertificateSwitches, TrustSwitches};
use super::connection::{Connection, PasswordSource, Scheme};
use super::kerberos::KerberosSwitches;
use super::network::NetworkSwitches;
use crate::command_error::CommandError;
use crate::switches;

/// Runs a command line on a remote host and shows its output as it comes.
#[derive(Debug, Parser)]
#[command(name = "winrs", disable_help_flag = true, disable_version_flag = true)]
struct Switches {
    /// The host: a name, an address ([…] around IPv6), or http[s]://HOST[:PORT].
    /// A bare name means port 5985 (5986 with -usessl), a URL without a port
    /// means port 80 (443 for https).
    /// Without this switch: localhost.
    #[arg(long, alias = "r", value_name = "ENDPOINT", default_value = "localhost")]
    remote: String,

    /// The account on the host: NAME, HOST\NAME or NAME@DOMAIN.
    /// Without this switch: you, by the Kerberos tickets that you have; where there are
    /// none, or none is for that host, the name is asked for.
    #[arg(long, alias = "u", value_name = "USER")]
    username: Option<String>,

    /// Its password. Other users of this computer may see it while the command line
    /// is being read, and your shell's history keeps it: better leave it out and be
    /// asked, or use -password-file or the variable TRANSOM_PASSWORD.
    #[arg(long, alias = "p", value_name = "PASSWORD")]
    password: Option<String>,

    /// The folder in which the command starts. Without it: the account's home.
    #[arg(long, alias = "d", value_name = "PATH")]
    directory: Option<String>,

    /// Sets a variable for the command. %NAME% in the value stands for what NAME is on
    /// the host. May be repeated.
    #[arg(long, alias = "env", value_name = "NAME=VALUE", value_parser = variable)]
    environment: Vec<(String, String)>,

    /// What you type is not shown, for answers that nobody else should read.
    #[arg(long, alias = "noe")]
    noecho: bool,

    /// Does not load the account's profile on a Windows host.
    #[arg(long, alias = "nop")]
    noprofile: bool,

    /// Leaves messages unencrypted, readable by everybody on the way: only where the
    /// setting AllowUnencrypted of client and service is true. Has no effect on https.
    #[arg(long, alias = "un")]
    unencrypted: bool,

    /// Lets the command use your credentials on other hosts: the host gets a Kerberos
    /// ticket of yours that must be forwardable. (With -auth:credssp it gets the password
    /// in any case.) Whoever rules that host can use it as well.
    #[arg(long, alias = "ad")]
    allowdelegate: bool,

    /// Compresses input and output on their way.
    #[arg(long, alias = "comp")]
    compression: bool,

    /// Connects by https.
    #[arg(long, alias = "ssl")]
    usessl: bool,

    /// Has no effect, as on Windows; it is read so that old scripts run.
    #[arg(long, alias = "t", value_name = "SECONDS")]
    timeout: Option<String>,

    /// How to log in: negotiate (the host and winrs agree, as without this switch: Kerberos
    /// where a ticket can be had, else NTLM), kerberos, ntlm, credssp (gives the host your
    /// password, if client.toml allows it), digest, basic, or certificate (what
    /// -certificate alone means).
    #[arg(long, value_name = "SCHEME", ignore_case = true, help_heading = EXTENSIONS)]
    auth: Option<Scheme>,

    #[command(flatten)]
    certificate: CertificateSwitches,

    /// The certificate authorities that may vouch for the host, a file or a folder,
    /// instead of the system's.
    #[arg(long, value_name = "PATH", help_heading = EXTENSIONS)]
    ca: Option<PathBuf>,

    /// The host's certificate must have this SHA-256 fingerprint, or its key must;
    /// then nobody else need vouch for it. May be repeated: one of them must fit.
    #[arg(long, value_name = "SHA256", help_heading = EXTENSIONS)]
    pin: Vec<Pin>,

    /// Anybody may have signed the host's certificate: somebody on the way could play
    /// the host.
    #[arg(long, help_heading = EXTENSIONS)]
    skip_ca_check: bool,

    /// The host's certificate may have another name.
    #[arg(long, help_heading = EXTENSIONS)]
    skip_cn_check: bool,

    /// The name that the host's certificate must have, if it is not the one connected to.
    #[arg(long, value_name = "NAME", help_heading = EXTENSIONS)]
    server_name: Option<String>,

    #[command(flatten)]
    network: NetworkSwitches,

    #[command(flatten)]
    kerberos: KerberosSwitches,

    /// A file whose first line is the password.
    #[arg(long, value_name = "FILE", conflicts_with = "password", help_heading = EXTENSIONS)]
    password_file: Option<PathBuf>,

    /// Tells on stderr how the login went and whether messages are sealed.
    #[arg(long, alias = "v", help_heading = EXTENSIONS)]
    verbose: bool,

    /// Writes one JSON object per line to stdout: {"stream":"stdout","data":TEXT} for
    /// each piece of output as it comes, with "base64":true where the data is no UTF-8
    /// and is written so; at the end {"exit_code":N,...} with mechanism, sealed,
    /// tls, requests and seconds, or {"error":{...}} with kind, message, host, operation,
    /// fault_code and hints.
    #[arg(long, help_heading = EXTENSIONS)]
    json: bool,

    /// This text.
    #[arg(long, aliases = ["?", "h"])]
    help: bool,

    /// The command line, passed on as it is.
    #[arg(last = true)]
    command: Vec<OsString>,
}

pub(super) const EXTENSIONS: &str = "Not in Windows's winrs:";

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) directory: Option<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) echo: bool,
    pub(crate) load_profile: bool,
    pub(crate) compression: bool,
    pub(crate) verbose: bool,
    pub(crate) json: bool,
    pub(crate) command_line: String,
}

/// What `winrs` is to do.
#[derive(Debug)]
pub(crate) enum Request {
    /// Show the help.
    Help,
    /// Run a command.
    Run(Box<Connection>, Box<Invocation>),
}

/// The words taken apart; the places of passwords are known before anything is judged.
pub(crate) struct Parsed(switches::Words);

impl Parsed {
    /// Takes the words after the program's name apart.
    ///
    /// # Errors
    /// See [`switches::parse`].
    pub(crate) fn new(words: &[OsString]) -> Result<Self, CommandError> {
        switches::parse(&Switches::command(), words).map(Self).map_err(with_help_hint)
    }

    /// Where among the words the password stands: index of the word, first byte.
    pub(crate) fn password_place(&self) -> Option<(usize, usize)> {
        self.0.switches.iter().find(|switch| switch.name == "password").map(|switch| switch.place)
    }

    /// What is asked for.
    ///
    /// # Errors
    /// Values that are none, switches that do not fit together, and those that this version cannot obey.
    pub(crate) fn request(self) -> Result<Request, CommandError> {
        if self.0.switches.iter().any(|switch| switch.name == "help") {
            return Ok(Request::Help);
        }
        let matches = Switches::command().try_get_matches_from(self.0.into_clap("winrs"));
        let switches = matches.and_then(|matches| Switches::from_arg_matches(&matches));
        let switches = switches.map_err(|error| with_help_hint(error.into()))?;
        switches.request().map_err(with_help_hint)
    }
}

impl Switches {
    fn request(self) -> Result<Request, CommandError> {
        let scheme = self.scheme()?;
        let password = match (self.password, self.password_file) {
            (Some(password), _) => PasswordSource::Given(Secret::from(password)),
            (None, Some(file)) => PasswordSource::File(file),
            (None, None) => PasswordSource::Unsaid,
        };
        if self.username.is_none()
            && scheme != Some(Scheme::Certificate)
            && !matches!(password, PasswordSource::Unsaid)
        {
            return Err(CommandError::usage("a password without a user name").hint("add -u:USER"));
        }
        self.network.check(self.unencrypted)?;
        if self.command.iter().all(|word| word.is_empty()) {
            return Err(CommandError::usage("no command line to run"));
        }
        let invocation = Invocation {
            directory: self.directory,
            environment: self.environment,
            echo: !self.noecho,
            load_profile: !self.noprofile,
            compression: self.compression,
            verbose: self.verbose,
            json: self.json,
            command_line: switches::join(self.command)?,
        };
        let connection = Connection {
            endpoint: self.remote,
            user: self.username,
            password,
            scheme,
            use_ssl: self.usessl,
            unencrypted: self.unencrypted,
            network: self.network,
            kerberos: self.kerberos,
            delegate: self.allowdelegate,
            trust: TrustSwitches {
                ca: self.ca,
                pins: self.pin,
                skip_ca_check: self.skip_ca_check,
                skip_cn_check: self.skip_cn_check,
                skip_revocation_check: false,
                server_name: self.server_name,
            },
            certificate: self.certificate,
        };
        Ok(Request::Run(Box::new(connection), Box::new(invocation)))
    }

    /// A certificate is the login unless another one is named.
    fn scheme(&self) -> Result<Option<Scheme>, CommandError> {
        let has_certificate = self.certificate.certificate.is_some();
        let scheme = self.auth.or_else(|| has_certificate.then_some(Scheme::Certificate));
        let is_certificate = scheme == Some(Scheme::Certificate);
        if is_certificate && !has_certificate {
            return Err(CommandError::usage("a login by certificate without one")
                .hint("add -certificate:FILE or -certificate:THUMBPRINT"));
        }
        if is_certificate && self.username.is_some() {
            return Err(CommandError::usage(
                "a login by certificate takes no user name: the host knows whose certificate it is",
            )
            .hint("leave out -username, or add -auth:negotiate to log in by password"));
        }
        Ok(scheme)
    }
}

/// Whether a program reads what is said, even when the other switches are wrong.
pub(crate) fn wants_json(words: &[OsString]) -> bool {
    let switch = |word: &&OsString| {
        let word = word.as_encoded_bytes();
        word.starts_with(b"-") && word != b"--" || word.starts_with(b"/")
    };
    words.iter().take_while(switch).any(|word| {
        let name = word.to_string_lossy();
        name.trim_start_matches(['-', '/']).eq_ignore_ascii_case("json")
    })
}

fn with_help_hint(error: CommandError) -> CommandError {
    error.hint("winrs -? shows all switches")
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        // Windows's cmd takes the caret of ^% away before winrs sees it; a POSIX shell does not.
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.replace("^%", "%"))),
        Some(_) | None => Err("a variable is written NAME=VALUE".to_owned()),
    }
}

const NAME: &str = "runs a command line on a remote host and shows its output as it comes";

const DESCRIPTION: &str = "\
Switches begin with - or / and may be written in any case, in full, by the part
outside the brackets, or by any beginning that only one of them has. The first
word that is no switch begins the command line, which is passed on as it is.
";

const EXIT_STATUS: &str = "\
The exit code is the command's (the remainder by 256; a multiple of 256 other than
0 becomes 1), or 255 when winrs itself could not do its work.
Input is passed on. The first Ctrl-C goes to the command, the second ends winrs.
";

const EXAMPLES: [&str; 4] = [
    "winrs -r:myserver -u:alice ipconfig /all",
    "winrs /r:http://127.0.0.1:15985 /u:alice uname -a",
    "winrs -r:https://myserver:5986 -u:alice --ca ca.pem hostname",
    "printf 'b\\na\\n' | winrs -r:myserver -u:alice sort",
];

/// The switches, as completions and the manual need them.
pub(crate) fn command() -> clap::Command {
    Switches::command().about(NAME)
}

/// The parts of the page of the manual, from the same words as the help.
pub(crate) fn manual() -> Manual {
    let command = Switches::command();
    let switches = command.get_arguments().filter(|arg| arg.get_long().is_some());
    Manual {
        name: NAME,
        description: DESCRIPTION,
        switches: switches.map(|arg| (switches::spelling(arg), about(arg))).collect(),
        exit_status: EXIT_STATUS,
        examples: EXAMPLES,
    }
}

/// See [`manual`].
pub(crate) struct Manual {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    /// Spelling and meaning of each.
    pub(crate) switches: Vec<(String, String)>,
    pub(crate) exit_status: &'static str,
    pub(crate) examples: [&'static str; 4],
}

/// The help, whose switches are those that the parser knows.
pub(crate) fn help() -> String {
    let command = Switches::command();
    let mut text =
        format!("winrs: {NAME}.\n\nwinrs [SWITCH[:VALUE]]... COMMAND LINE\n\n{DESCRIPTION}\n");
    append_switches(
        &mut text,
        command.get_arguments().filter(|arg| arg.get_help_heading().is_none()),
    );
    let _infallible = writeln!(text, "\n{EXTENSIONS}\n");
    append_switches(
        &mut text,
        command.get_arguments().filter(|arg| arg.get_help_heading().is_some()),
    );
    let _infallible = writeln!(text, "\n{EXIT_STATUS}\nExamples:");
    for example in EXAMPLES {
        let _infallible = writeln!(text, "  {example}");
    }
    text
}

fn append_switches<'a>(text: &mut String, args: impl Iterator<Item = &'a clap::Arg>) {
    for arg in args.filter(|arg| arg.get_long().is_some()) {
        let _infallible = writeln!(text, "  {}", switches::spelling(arg));
        for line in wrapped(&about(arg), 74) {
            let _infallible = writeln!(text, "      {line}");
        }
    }
}

fn about(arg: &clap::Arg) -> String {
    let about = arg.get_long_help().or_else(|| arg.get_help());
    // clap takes the last full stop away.
    format!("{}.", about.map(ToString::to_string).unwrap_or_default().trim_end_matches('.'))
}

/// The words on lines of at most `width` letters.
pub(crate) fn wrapped(about: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in about.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use client::{Authorities, Trust};

    use super::*;

    fn request(words: &[&str]) -> Result<Request, CommandError> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        Parsed::new(&words)?.request()
    }

    fn run(words: &[&str]) -> Invocation {
        match request(words) {
            Ok(Request::Run(_, invocation)) => *invocation,
            other => panic!("{words:?} is {other:?}"),
        }
    }

    fn to(words: &[&str]) -> Connection {
        match request(words) {
            Ok(Request::Run(connection, _)) => *connection,
            other => panic!("{words:?} is {other:?}"),
        }
    }

    fn refusal(words: &[&str]) -> String {
        match request(words) {
            Err(error) => error.text(crate::command_error::Program::Winrs),
            Ok(other) => panic!("{words:?} is {other:?}"),
        }
    }

    #[test]
    fn examples_of_the_reference_mean_what_they_say() {
        assert_eq!(to(&["/r:myserver", "command"]).endpoint, "myserver");
        assert_eq!(to(&["/r:http://127.0.0.1", "command"]).endpoint, "http://127.0.0.1");
        let ipv6 = to(&["/r:http://[1080:0:0:0:8:800:200C:417A]:80", "command"]);
        assert_eq!(ipv6.endpoint, "http://[1080:0:0:0:8:800:200C:417A]:80");

        let environment = run(&[
            "/r:myserver",
            r"/env:path=^%path^%;c:\tools",
            r"/env:TEMP=d:\temp",
            "config.cmd",
        ]);
        let expected = [("path", r"%path%;c:\tools"), ("TEMP", r"d:\temp")];
        assert_eq!(
            environment.environment,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!(environment.command_line, "config.cmd");

        let words = [
            "netdom",
            "join",
            "myserver",
            "/domain:testdomain",
            "/userd:johns",
            "/passwordd:$%fgh789",
        ];
        let verbatim = run(&[["/r:myserver"].as_slice(), &words].concat());
        assert_eq!(
            verbatim.command_line,
            "netdom join myserver /domain:testdomain /userd:johns /passwordd:$%fgh789"
        );
        assert!(matches!(to(&["/r:myserver", "x"]).password, PasswordSource::Unsaid));
    }

    #[test]
    fn examples_by_https_are_understood() {
        assert_eq!(to(&["/r:https://contoso.com", "command"]).endpoint, "https://contoso.com");
        assert!(to(&["/r:contoso.com", "/usessl", "command"]).use_ssl);
        let address = "https://[::FFFF:129.144.52.38]";
        assert_eq!(to(&[&format!("/r:{address}"), "command"]).endpoint, address);
        let old = ["/r:https://contoso.com", "/t:600", "/u:administrator", "/p:$%fgh7", "ipconfig"];
        assert_eq!(to(&old).user.as_deref(), Some("administrator"));
    }

    #[test]
    fn switches_about_certificates_change_the_settings() {
        let pin = "ab".repeat(32);
        let words =
            ["--ca", "/ca", &format!("-pin:{pin}"), "-skip-ca-check", "--server-name=n", "x"];
        let mut trust = Trust { skip_cn_check: true, ..Trust::default() };
        to(&words).trust.apply(&mut trust);
        let expected = Trust {
            authorities: Authorities::Path("/ca".into()),
            pins: vec![pin.parse().unwrap()],
            skip_ca_check: true,
            skip_cn_check: true,
            server_name: Some("n".to_owned()),
            ..Trust::default()
        };
        assert_eq!(trust, expected);
        let mut kept = expected.clone();
        to(&["x"]).trust.apply(&mut kept);
        assert_eq!(kept, expected);
        assert!(refusal(&["-pin:12", "x"]).contains("SHA-256"));
    }

    #[test]
    fn example_with_user_and_password_is_understood_on_http() {
        let words =
            ["/r:http://contoso.com", "/t:600", "/u:administrator", "/p:$%fgh7", "ipconfig"];
        let got = to(&words);
        assert_eq!(got.user.as_deref(), Some("administrator"));
        assert!(
            matches!(got.password, PasswordSource::Given(secret) if secret.expose() == "$%fgh7")
        );
        assert_eq!(run(&words).command_line, "ipconfig");
    }

    #[test]
    fn switches_come_in_any_case_and_spelling() {
        for spelling in ["/R:h", "-remote:h", "-REM:h", "--remote=h", "/r=h"] {
            assert_eq!(to(&[spelling, "x"]).endpoint, "h", "{spelling}");
        }
        assert_eq!(to(&["--remote", "h", "x"]).endpoint, "h");
        assert!(!run(&["-NoE", "x"]).echo);
        assert!(!run(&["/noprofile", "x"]).load_profile);
        assert!(!run(&["/nop", "x"]).load_profile);
        assert!(run(&["/comp", "x"]).compression);
        assert!(run(&["-compression", "x"]).compression);
        assert!(!run(&["x"]).compression);
        assert_eq!(run(&["-D:/tmp", "x"]).directory.as_deref(), Some("/tmp"));
        assert_eq!(to(&["-auth:NTLM", "x"]).scheme, Some(Scheme::Ntlm));
        assert_eq!(to(&["-auth:Digest", "x"]).scheme, Some(Scheme::Digest));
        assert_eq!(to(&["x"]).scheme, None);
        assert!(matches!(to(&["-u:a", "-pass:b", "x"]).password, PasswordSource::Given(_)));
        assert!(matches!(request(&["/?"]), Ok(Request::Help)));
        assert!(matches!(request(&["--help", "x"]), Ok(Request::Help)));
    }

    #[test]
    fn domain_logins_and_delegation_are_asked_for_by_name() {
        assert_eq!(to(&["-auth:Kerberos", "x"]).scheme, Some(Scheme::Kerberos));
        assert_eq!(to(&["-auth:CredSSP", "x"]).scheme, Some(Scheme::CredSsp));
        assert!(to(&["/ad", "x"]).delegate && !to(&["x"]).delegate);
    }

    #[test]
    fn certificate_is_the_login_unless_another_one_is_named() {
        let alone = to(&["-certificate:c.pem", "--key", "k.pem", "-tls:Compat", "x"]);
        assert_eq!(alone.scheme, Some(Scheme::Certificate));
        assert_eq!(alone.certificate.certificate.as_deref(), Some("c.pem"));
        assert_eq!(alone.certificate.tls, Some(client::Level::Compat));
        let beside = to(&["-certificate:c.pem", "-auth:basic", "-u:a", "x"]);
        assert_eq!(beside.scheme, Some(Scheme::Basic));
    }

    #[test]
    fn messages_are_left_unencrypted_only_on_demand() {
        for spelling in ["/un", "-unencrypted", "-UNENC"] {
            assert!(to(&[spelling, "x"]).unencrypted, "{spelling}");
        }
        assert!(!to(&["x"]).unencrypted);
    }

    #[test]
    fn command_line_begins_at_the_first_word_that_is_no_switch() {
        assert_eq!(run(&["-r:h", "/usr/bin/id", "-u"]).command_line, "/usr/bin/id -u");
        assert_eq!(run(&["-r:h", "--", "-u:x", "a  b"]).command_line, "-u:x a  b");
        assert_eq!(run(&["-r:h", "echo", "--", "/r:x"]).command_line, "echo -- /r:x");
    }

    #[test]
    fn misuse_names_the_switch_and_never_a_value() {
        assert!(
            refusal(&["-pasword:geheim", "x"]).starts_with("Winrs error:Unknown switch -pasword\n")
        );
        assert!(refusal(&["-no", "x"]).contains("-no may mean -noecho or -noprofile"));
        assert!(refusal(&["-r", "h", "x"]).contains("-r needs a value"));
        assert!(refusal(&["-noecho:yes", "x"]).contains("-noecho takes no value"));
        assert!(refusal(&["-r:a", "/remote:b", "x"]).contains("-remote is there twice"));
        assert!(refusal(&["-p:x", "x"]).contains("A password without a user name"));
        assert!(refusal(&["-env:=x", "x"]).contains("NAME=VALUE"));
        assert!(refusal(&["-auth:certificate", "x"]).contains("-certificate:THUMBPRINT"));
        assert!(refusal(&["-certificate:c.pem", "-u:a", "x"]).contains("takes no user name"));
        assert!(refusal(&["-tls:old", "x"]).contains("modern, compat or legacy"));
        assert!(refusal(&["-auth:radius", "x"]).contains("radius"));
        assert!(
            refusal(&["-un", "--message-encryption", "auto", "x"]).contains("different things")
        );
        assert!(refusal(&["-r:h"]).contains("No command line"));
    }

    #[test]
    fn place_of_the_password_is_known() {
        let words: Vec<OsString> = ["-r:h", "/p:geheim", "x"].map(OsString::from).into();
        assert_eq!(Parsed::new(&words).unwrap().password_place(), Some((1, 3)));
        let words: Vec<OsString> = ["--password", "geheim", "x"].map(OsString::from).into();
        assert_eq!(Parsed::new(&words).unwrap().password_place(), Some((1, 0)));
    }
}
