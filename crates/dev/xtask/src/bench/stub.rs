//! The stub server: an independent little WinRM service, on which every client does the same work.

use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{PASSWORD, USER, write_secret};

/// The stub server, ended with this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    captures: PathBuf,
}

impl Server {
    pub(crate) fn start(python: &Path, stub: &Path, folder: &Path) -> Result<Self, String> {
        let captures = folder.join("captures");
        // What an earlier run left; that there was none is no fault.
        drop(fs::remove_dir_all(&captures));
        fs::create_dir_all(&captures)
            .map_err(|error| format!("{}: {error}", captures.display()))?;
        let users = folder.join("users");
        write_secret(&users, &format!(":{USER}:{PASSWORD}\n"))?;
        let log_path = folder.join("stub.log");
        let log = fs::File::create(&log_path)
            .map_err(|error| format!("{}: {error}", log_path.display()))?;
        let port = free_port().map_err(|error| format!("no free port: {error}"))?;
        let child = Command::new(python)
            .arg("-B")
            .arg(stub)
            .args(["--port", &port.to_string(), "--cap"])
            .arg(&captures)
            .args(["--user", USER, "--password", PASSWORD])
            .env("NTLM_USER_FILE", &users)
            .stdin(Stdio::null())
            .stderr(log.try_clone().map_err(|error| format!("{}: {error}", log_path.display()))?)
            .stdout(log)
            .spawn()
            .map_err(|error| format!("stub server: {error}"))?;
        let mut server = Self { child, port, captures };
        for _ in 0..300 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(server);
            }
            if !matches!(server.child.try_wait(), Ok(None)) {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
        let log = fs::read_to_string(&log_path).unwrap_or_default();
        Err(format!("the stub server does not listen:\n{log}"))
    }

    /// How many requests it has captured.
    pub(crate) fn requests(&self) -> Result<usize, String> {
        let entries = fs::read_dir(&self.captures)
            .map_err(|error| format!("{}: {error}", self.captures.display()))?;
        let is_request = |name: &OsStr| name.to_string_lossy().ends_with(".head.txt");
        Ok(entries.flatten().filter(|entry| is_request(&entry.file_name())).count())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
