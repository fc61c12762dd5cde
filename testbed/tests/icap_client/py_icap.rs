//! pyicap, plain and through TLS: a server of another family.

use crate::{RUNTIMES, counted, proxy};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use understudy_testbed::{Client, Origin, PATIENCE, get, programs::free_port, reply, run};

/// Turns bodies of answers to capitals, leaves what is called `/same`, blocks requests for `/blocked` and renames `/old`.
const SCRIPT: &str = r#"
import sys, ssl, socketserver, collections, collections.abc
# What it still uses has moved.
collections.Callable = collections.abc.Callable
sys.path.insert(0, sys.argv[1])
import pyicap

class Server(socketserver.ThreadingMixIn, pyicap.ICAPServer):
    daemon_threads = True

class Handler(pyicap.BaseICAPRequestHandler):
    def log_request(self, *a): pass
    def x_OPTIONS(self):
        self.set_icap_response(200)
        self.set_icap_header(b'Methods', b'RESPMOD, REQMOD')
        self.set_icap_header(b'Preview', b'16')
        self.set_icap_header(b'Allow', b'204')
        self.send_headers(False)
    def whole(self):
        body = b''
        if not self.has_body: return body
        if self.preview is not None:
            while True:
                chunk = self.read_chunk()
                if chunk == b'': break
                body += chunk
            if self.ieof: return body
            self.cont()
        while True:
            chunk = self.read_chunk()
            if chunk == b'': return body
            body += chunk
    def x_RESPMOD(self):
        if b'/same' in self.enc_req[1]:
            self.no_adaptation_required()
            return
        body = self.whole()
        self.set_icap_response(200)
        self.set_enc_status(b' '.join(self.enc_res_status))
        for name in self.enc_res_headers:
            for value in self.enc_res_headers[name]:
                self.set_enc_header(name, value)
        self.set_enc_header(b'X-Adapted', b'yes')
        self.send_headers(len(body) > 0)
        if body:
            self.write_chunk(body.upper())
            self.write_chunk(b'')
    def x_REQMOD(self):
        if b'/blocked' in self.enc_req[1]:
            self.set_icap_response(200)
            self.set_enc_status(b'HTTP/1.1 403 Forbidden')
            self.send_headers(True)
            self.write_chunk(b'blocked')
            self.write_chunk(b'')
            return
        body = self.whole()
        self.set_icap_response(200)
        self.set_enc_request(b' '.join(self.enc_req).replace(b'/old', b'/new'))
        for name in self.enc_req_headers:
            for value in self.enc_req_headers[name]:
                self.set_enc_header(name, value)
        self.send_headers(len(body) > 0)
        if body:
            self.write_chunk(body.upper())
            self.write_chunk(b'')

server = Server((b'127.0.0.1', int(sys.argv[2])), Handler)
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3] + '/cert.pem', sys.argv[3] + '/key.pem')
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"#;

/// Where pyicap is, fetched once.
fn library() -> &'static Path {
    static PLACE: OnceLock<tempfile::TempDir> = OnceLock::new();
    PLACE
        .get_or_init(|| {
            let dir = tempfile::tempdir().unwrap();
            run(Command::new("python3")
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--no-cache-dir",
                ])
                .args([
                    "--root-user-action",
                    "ignore",
                    "--pre",
                    "pyicap",
                    "--target",
                ])
                .arg(dir.path()))
            .expect(0);
            dir
        })
        .path()
}

struct PyIcap {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl PyIcap {
    fn start(tls: bool) -> PyIcap {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let script = dir.path().join("server.py");
        std::fs::write(&script, SCRIPT).unwrap();
        let mut command = Command::new("python3");
        command.arg(&script).arg(library()).arg(port.to_string());
        if tls {
            run(Command::new("openssl")
                .args([
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                    "-days",
                    "2",
                ])
                .args([
                    "-subj",
                    "/CN=localhost",
                    "-addext",
                    "subjectAltName=DNS:localhost",
                ])
                .args(["-addext", "basicConstraints=critical,CA:FALSE"])
                .args(["-keyout", "key.pem", "-out", "cert.pem"])
                .current_dir(dir.path()))
            .expect(0);
            command.arg(dir.path());
        }
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "pyicap does not come");
            std::thread::sleep(Duration::from_millis(10));
        }
        PyIcap { child, port, dir }
    }
}

impl Drop for PyIcap {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn everything(uri: &str, more: &str) {
    let origin = Origin::answering(|r| {
        let length: usize = r.target[1..].parse().unwrap_or(3);
        let body = format!(
            "{} {}",
            "o".repeat(length),
            String::from_utf8_lossy(&r.body)
        );
        reply(
            200,
            &[
                "Cache-Control: max-age=600",
                &format!("X-Path: {}", r.target),
            ],
            body,
        )
    });
    for runtime in RUNTIMES {
        let answers = proxy(&origin, runtime, &format!("respmod = [\"{uri}\"]\n{more}"));
        for length in [1, 15, 16, 17, 300_000] {
            for hit in [false, true] {
                let got = get(answers.addr(), &format!("/{length}"), "site.test", "").expect(200);
                assert!(
                    got.body == format!("{} ", "O".repeat(length)).into_bytes(),
                    "{runtime} {length}"
                );
                assert_eq!(got.get("x-adapted"), Some("yes"));
                if hit {
                    got.expect_hit();
                }
            }
        }
        get(answers.addr(), "/same", "site.test", "")
            .expect(200)
            .expect_body("ooo ");
        assert_eq!(counted(&answers, "failures"), 0);

        let requests = proxy(&origin, runtime, &format!("reqmod = [\"{uri}\"]\n{more}"));
        assert_eq!(
            get(requests.addr(), "/old", "site.test", "").get("x-path"),
            Some("/new")
        );
        get(requests.addr(), "/blocked", "site.test", "")
            .expect(403)
            .expect_body("blocked");
        let long = "y".repeat(200_000);
        let post = format!(
            "POST /old HTTP/1.1\r\nHost: site.test\r\nContent-Length: 200000\r\n\r\n{long}"
        );
        let got = Client::to(requests.addr()).ask(post).expect(200);
        assert!(
            got.body == format!("ooo {}", long.to_uppercase()).into_bytes(),
            "{runtime}"
        );
        assert_eq!(counted(&requests, "failures"), 0);
    }
}

#[test]
fn answers_and_requests_are_adapted() {
    let server = PyIcap::start(false);
    everything(&format!("icap://127.0.0.1:{}/x", server.port), "");
}

#[test]
fn answers_and_requests_are_adapted_through_tls() {
    let server = PyIcap::start(true);
    let ca = format!(
        "ca = \"{}\"\n",
        server.dir.path().join("cert.pem").display()
    );
    everything(&format!("icaps://localhost:{}/x", server.port), &ca);
}

#[test]
fn a_server_whose_certificate_is_not_known_is_not_trusted() {
    let server = PyIcap::start(true);
    let origin = Origin::answering(|_| reply(200, &[], "original"));
    for runtime in RUNTIMES {
        let options = format!("respmod = [\"icaps://localhost:{}/x\"]\n", server.port);
        let proxy = proxy(&origin, runtime, &options);
        assert_eq!(
            get(proxy.addr(), "/", "site.test", "").status,
            502,
            "{runtime}"
        );
    }
}
