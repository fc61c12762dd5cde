//! Real programs beside the proxy: run to their end, or nginx on a port and directory of its own, ended when dropped.

use crate::{PATIENCE, Reserved};
use std::{
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// What a finished program left.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its exit code (-1 when a signal ended it).
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Finished {
    /// Asserts the exit code and gives it back for more.
    #[track_caller]
    pub fn expect(self, code: i32) -> Finished {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// Both outputs.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// The bound of programs that install or start much: a mere guard against one that hangs.
pub const LONG: Duration = Duration::from_secs(600);

/// Runs a command to its end, within two minutes.
#[track_caller]
pub fn run(command: &mut Command) -> Finished {
    run_within(command, Duration::from_secs(120))
}

/// Runs a command to its end; `timeout(1)` bounds it.
#[track_caller]
pub fn run_within(command: &mut Command, bound: Duration) -> Finished {
    let mut bounded = Command::new("timeout");
    bounded
        .args(["-k", "5"])
        .arg(bound.as_secs().to_string())
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => bounded.env(name, value),
            None => bounded.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        bounded.current_dir(dir);
    }
    let Output {
        status,
        stdout,
        stderr,
    } = bounded
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Finished {
        code: status.code().unwrap_or(-1),
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

/// A port for a program that cannot bind port 0 itself, kept for it. It must set SO_REUSEADDR, as servers do.
pub fn free_port() -> u16 {
    Reserved::to_the_end().port()
}

/// Waits until something listens.
#[track_caller]
pub fn wait_listening(address: SocketAddr) {
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < end, "nothing listens on {address}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A child that is killed when dropped.
#[derive(Debug)]
pub struct Background(pub Child);

impl Drop for Background {
    fn drop(&mut self) {
        // Ended already is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// nginx serving a directory.
#[derive(Debug)]
pub struct Nginx {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Where it listens for TLS.
    pub tls: SocketAddr,
    dir: TempDir,
    _child: Background,
}

impl Nginx {
    /// Serves `root`; `more` goes into the server block.
    #[track_caller]
    pub fn serving(root: &Path, more: &str) -> Nginx {
        let dir = tempfile::tempdir().unwrap();
        let (addr, tls): (SocketAddr, SocketAddr) = (
            ([127, 0, 0, 1], free_port()).into(),
            ([127, 0, 0, 1], free_port()).into(),
        );
        let at = dir.path().display();
        run(Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ])
            .args([
                "-keyout",
                &format!("{at}/key.pem"),
                "-out",
                &format!("{at}/cert.pem"),
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1",
            ]))
        .expect(0);
        let config = format!(
            "daemon off; master_process off; worker_processes 1; pid {at}/pid; error_log {at}/error.log;\n\
             events {{ worker_connections 512; }}\n\
             http {{ access_log {at}/access.log; default_type text/plain; etag on; include /etc/nginx/mime.types;\n\
             client_body_temp_path {at}; proxy_temp_path {at}; fastcgi_temp_path {at}; uwsgi_temp_path {at}; scgi_temp_path {at};\n\
             server {{ listen {addr}; listen {tls} ssl; ssl_certificate {at}/cert.pem; ssl_certificate_key {at}/key.pem;\n\
             root {}; autoindex on; {more} }} }}\n",
            root.display()
        );
        std::fs::write(dir.path().join("nginx.conf"), config).unwrap();
        let child = Command::new("nginx")
            .args([
                "-p",
                &at.to_string(),
                "-c",
                &format!("{at}/nginx.conf"),
                "-e",
                &format!("{at}/error.log"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start nginx: {e}"));
        let nginx = Nginx {
            addr,
            tls,
            dir,
            _child: Background(child),
        };
        wait_listening(addr);
        nginx
    }

    /// Lines of its access log, once there are so many: it writes a line when a request is over, and its client may know earlier.
    pub fn logged(&self, lines: usize) -> Vec<String> {
        let patience = Instant::now() + Duration::from_secs(10);
        loop {
            let log = self.log();
            if log.len() >= lines || Instant::now() > patience {
                return log;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lines of its access log so far.
    pub fn log(&self) -> Vec<String> {
        std::fs::read_to_string(self.dir.path().join("access.log"))
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Its certificate, which clients are to trust.
    pub fn certificate(&self) -> std::path::PathBuf {
        self.dir.path().join("cert.pem")
    }
}
