//! c-icap: echo, url_check, and virus_scan with clamd and a signature of the test's own.

use crate::{RUNTIMES, counted, proxy};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use understudy_testbed::{Client, Origin, PATIENCE, get, programs::free_port, reply};

/// The harmless file that every scanner knows, in two parts, so that no scanner finds it here.
const EICAR: [&str; 2] = [
    "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-",
    "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
];

/// A running server.
struct CIcap {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

/// Waits for a program to be there.
fn wait(what: &str, there: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !there() {
        assert!(Instant::now() < end, "{what} does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl CIcap {
    fn start(services: &str) -> CIcap {
        let dir = tempfile::tempdir().unwrap();
        let (place, port) = (dir.path().display(), free_port());
        let find = Command::new("find")
            .args(["/usr/lib", "-name", "srv_echo.so"])
            .output()
            .unwrap();
        let echo = String::from_utf8(find.stdout).unwrap();
        let modules = Path::new(echo.trim()).parent().unwrap().display();
        let services = services.replace("DIR", &place.to_string());
        let config = format!(
            "PidFile {place}/pid\nCommandsSocket {place}/ctl\nPort 127.0.0.1:{port}\nStartServers 1\nMaxServers 1\n\
             MinSpareThreads 5\nMaxSpareThreads 20\nThreadsPerChild 20\nMaxKeepAliveRequests -1\nKeepAliveTimeout 600\n\
             ModulesDir {modules}\nServicesDir {modules}\nTmpDir {place}\nServerLog {place}/server.log\n\
             TemplateDir /usr/share/c_icap/templates/\n\
             LogFormat one \"%im %iu %is\"\nAccessLog {place}/access.log one\n{services}"
        );
        let path = dir.path().join("c-icap.conf");
        std::fs::write(&path, config).unwrap();
        let child = Command::new("c-icap")
            .args(["-N", "-f"])
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait("c-icap", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        CIcap { child, port, dir }
    }

    fn uri(&self, service: &str) -> String {
        format!("icap://127.0.0.1:{}/{service}", self.port)
    }

    /// What it was asked, but for options.
    fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.path().join("access.log")).unwrap_or_default();
        text.lines()
            .filter(|line| !line.starts_with("OPTIONS"))
            .map(str::to_owned)
            .collect()
    }

    fn wait_log(&self, lines: usize) -> Vec<String> {
        wait("a line of c-icap's log", || self.log().len() >= lines);
        self.log()
    }
}

impl Drop for CIcap {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let end = Instant::now() + Duration::from_secs(10);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > end {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// An origin of cacheable answers, each as long as its path says.
fn origin() -> Origin {
    Origin::answering(|r| {
        let length: usize = r.target.trim_start_matches('/').parse().unwrap_or(5);
        let body: Vec<u8> = (0..length)
            .map(|at| (at % 251) as u8)
            .chain(r.body.iter().copied())
            .collect();
        reply(200, &["Cache-Control: max-age=600", "X-Origin: yes"], body)
    })
}

fn expected(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

const ECHO: &str = "Service echo srv_echo.so\n";

#[test]
fn bodies_of_all_lengths_come_back_from_echo_and_are_stored() {
    let (origin, icap) = (origin(), CIcap::start(ECHO));
    for runtime in RUNTIMES {
        for preview in [
            "",
            "preview = \"off\"\n",
            "allow_204 = false\nallow_206 = false\n",
        ] {
            let before = icap.log().len();
            let proxy = proxy(
                &origin,
                runtime,
                &format!("respmod = [\"{}\"]\n{preview}", icap.uri("echo")),
            );
            let lengths = [0, 1, 1023, 1024, 1025, 70_000, 1_000_000];
            for length in lengths {
                for hit in [false, true] {
                    let got = get(proxy.addr(), &format!("/{length}"), "site.test", "").expect(200);
                    assert!(got.body == expected(length), "{runtime}{preview}{length}");
                    assert_eq!(got.get("x-origin"), Some("yes"));
                    if hit {
                        got.expect_hit();
                    }
                }
            }
            let log = icap.wait_log(before + lengths.len());
            assert_eq!(
                log.len(),
                before + lengths.len(),
                "a hit asks no service: {log:#?}"
            );
            assert_eq!(counted(&proxy, "failures"), 0);
            assert_eq!(
                counted(&proxy, "connections"),
                1,
                "one connection serves them all"
            );
        }
    }
}

#[test]
fn requests_with_and_without_bodies_come_back_from_echo() {
    let (origin, icap) = (origin(), CIcap::start(ECHO));
    for runtime in RUNTIMES {
        let proxy = proxy(
            &origin,
            runtime,
            &format!("reqmod = [\"{}\"]\n", icap.uri("echo")),
        );
        get(proxy.addr(), "/10", "site.test", "").expect(200);
        for length in [0, 5, 1024, 5000, 300_000] {
            let mut request =
                format!("POST /0 HTTP/1.1\r\nHost: site.test\r\nContent-Length: {length}\r\n\r\n")
                    .into_bytes();
            request.extend(expected(length));
            let got = Client::to(proxy.addr()).ask(request).expect(200);
            assert!(
                got.body == expected(length),
                "{runtime} {length}: {}",
                got.body.len()
            );
            assert!(origin.last().body == expected(length));
        }
        assert_eq!(counted(&proxy, "failures"), 0);
    }
}

#[test]
fn a_url_that_is_on_a_list_is_blocked() {
    let list = "Service url_check_module srv_url_check.so\nurl_check.LookupTableDB evil host hash:DIR/list \"evil\"\n\
                url_check.Profile default block evil\nurl_check.Profile default pass ALL\n";
    let origin = origin();
    let icap = {
        // The list must be there before the server starts.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.keep().join("list");
        std::fs::write(&path, "evil.test\n").unwrap();
        CIcap::start(&list.replace("DIR/list", &path.display().to_string()))
    };
    for runtime in RUNTIMES {
        let proxy = proxy(
            &origin,
            runtime,
            &format!("reqmod = [\"{}\"]\n", icap.uri("url_check")),
        );
        get(proxy.addr(), "/5", "site.test", "").expect(200);
        let before = origin.count();
        let got = get(proxy.addr(), "/5", "evil.test", "");
        assert_eq!(got.status, 403, "{}", got.head.text());
        assert!(String::from_utf8_lossy(&got.body).contains("evil"));
        assert_eq!(origin.count(), before, "the origin is not asked");
    }
}

/// A scanner with one signature: EICAR's.
struct Clamd {
    child: Child,
    socket: PathBuf,
    _dir: tempfile::TempDir,
}

impl Clamd {
    fn start() -> Clamd {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().display();
        let socket = dir.path().join("clamd.ctl");
        std::fs::create_dir(dir.path().join("db")).unwrap();
        let signature = "44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test\n";
        std::fs::write(dir.path().join("db/test.hdb"), signature).unwrap();
        let config = format!(
            "DatabaseDirectory {place}/db\nLocalSocket {place}/clamd.ctl\nForeground yes\nUser root\n"
        );
        let path = dir.path().join("clamd.conf");
        std::fs::write(&path, config).unwrap();
        let child = Command::new("/usr/sbin/clamd")
            .arg("-c")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait("clamd", || {
            std::os::unix::net::UnixStream::connect(&socket).is_ok()
        });
        Clamd {
            child,
            socket,
            _dir: dir,
        }
    }
}

impl Drop for Clamd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_virus_does_not_come_through() {
    let clamd = Clamd::start();
    let icap = CIcap::start(&format!(
        "Module common clamd_mod.so\nclamd_mod.ClamdSocket {}\nService antivirus_module virus_scan.so\n\
         ServiceAlias avscan virus_scan?allow204=on&sizelimit=off&mode=simple\nvirus_scan.DefaultEngine clamd\n\
         virus_scan.ScanFileTypes TEXT DATA EXECUTABLE ARCHIVE GIF JPEG MSOFFICE\nvirus_scan.MaxObjectSize 5M\n",
        clamd.socket.display()
    ));
    let origin = Origin::answering(|r| match r.target.as_str() {
        "/virus" => reply(200, &["Cache-Control: max-age=600"], EICAR.concat()),
        _ => reply(
            200,
            &["Cache-Control: max-age=600"],
            "harmless ".repeat(5000),
        ),
    });
    for runtime in RUNTIMES {
        let options = format!("respmod = [\"{}\"]\n", icap.uri("avscan"));
        let proxy = proxy(&origin, runtime, &options);
        for _ in 0..2 {
            let got = get(proxy.addr(), "/text", "site.test", "").expect(200);
            assert!(got.body == "harmless ".repeat(5000).as_bytes());
            let got = get(proxy.addr(), "/virus", "site.test", "");
            assert_eq!(got.status, 403, "{}", got.head.text());
            let page = String::from_utf8_lossy(&got.body).into_owned();
            assert!(page.contains("Eicar-Test"), "{page}");
            assert!(!page.contains(EICAR[1]));
        }
        proxy.wait_stdout(|line| {
            line.contains("\"found\":\"Type=0; Resolution=2; Threat=Eicar-Test")
        });
        get(proxy.addr(), "/text", "site.test", "").expect_hit();
    }
}
