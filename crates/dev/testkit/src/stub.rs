//! An independent little WinRM server in Python, run in place from the shared folder.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use crate::outside::{peers_python, report, root};

/// The server, until it is dropped.
#[derive(Debug)]
pub struct Stub {
    process: Child,
    folder: PathBuf,
    /// The loopback port that it listens on.
    pub port: u16,
}

impl Stub {
    /// The user that the server knows, whose password is the same word.
    pub const USER: &str = "vagrant";

    /// Starts the server with further options; `None`, reported as a skip of `test`, where the
    /// shared folder is absent. `folder` takes what the server saves.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test that needs a peer fails without it")]
    pub fn start(test: &str, folder: &Path, options: &[&str]) -> Option<Self> {
        let script = env::var_os("TRANSOM_STUB")
            .map_or_else(|| root().join("../shared/peers/winrm_stub.py"), PathBuf::from);
        if !script.is_file() {
            report(&format!("SKIPPED {test}: the stub server is absent"));
            return None;
        }
        let users = folder.join("users");
        let line = |domain: &str| format!("{domain}:{0}:{0}\n", Self::USER);
        fs::write(&users, line("") + &line("STUB")).expect("the folder can be written");
        let captures = folder.join("captures");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("loopback has a free port")
            .port();
        let mut process = Command::new(peers_python())
            .arg(script)
            .args(["--port", &port.to_string(), "--cap"])
            .arg(&captures)
            .args(options)
            .env("NTLM_USER_FILE", &users)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python starts");
        let output = process.stdout.take().expect("the output is piped");
        let mut lines = BufReader::new(output).lines();
        let listening = lines.any(|line| line.is_ok_and(|line| line.contains("listening")));
        assert!(listening, "the stub server did not start");
        // Whoever does not read its log would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { process, folder: captures, port })
    }

    /// The names under which the server saved the requests, in order: `004-Create`.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                entry.file_name().to_str()?.strip_suffix(".head.txt").map(str::to_owned)
            })
            .collect();
        names.sort();
        names
    }

    /// Request line and headers of each request, in order.
    #[must_use]
    pub fn heads(&self) -> Vec<String> {
        let file = |name: &String| self.folder.join(format!("{name}.head.txt"));
        self.requests().iter().filter_map(|name| fs::read_to_string(file(name)).ok()).collect()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
