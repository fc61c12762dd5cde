//! apt-get through the forward proxy: a repository made here, updated and downloaded from twice.
#![allow(clippy::unwrap_used)]

use std::{path::Path, process::Command};
use understudy_testbed::{
    Finished, Launch, Nginx, Proxy,
    programs::{LONG, run_within},
    run, settled,
};

/// A repository of one package, with Packages and Release files.
fn repository(root: &Path) {
    let package = root.join("understudy-demo");
    std::fs::create_dir_all(package.join("DEBIAN")).unwrap();
    std::fs::create_dir_all(package.join("usr/share/understudy-demo")).unwrap();
    let control = "Package: understudy-demo\nVersion: 1.0\nArchitecture: all\nMaintainer: Nobody <nobody@example.test>\nDescription: a demonstration\n";
    std::fs::write(package.join("DEBIAN/control"), control).unwrap();
    let filler: Vec<u8> = (0..400_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    std::fs::write(package.join("usr/share/understudy-demo/data"), filler).unwrap();
    run(Command::new("dpkg-deb")
        .args([
            "--build",
            "--root-owner-group",
            "understudy-demo",
            "understudy-demo_1.0_all.deb",
        ])
        .current_dir(root))
    .expect(0);
    std::fs::remove_dir_all(package).unwrap();
    let packages = run(Command::new("dpkg-scanpackages")
        .args(["--multiversion", "."])
        .current_dir(root))
    .expect(0)
    .stdout;
    std::fs::write(root.join("Packages"), packages).unwrap();
    let release = run(Command::new("apt-ftparchive")
        .args(["release", "."])
        .current_dir(root))
    .expect(0)
    .stdout;
    std::fs::write(root.join("Release"), release).unwrap();
}

/// apt-get with a state directory of its own.
fn apt(dir: &Path, proxy: &Proxy, args: &[&str]) -> Finished {
    let options = [
        format!("Dir={}", dir.display()),
        "Dir::Etc::sourcelist=sources.list".into(),
        "Dir::Etc::sourceparts=/dev/null".into(),
        "Dir::Etc::parts=/dev/null".into(),
        "Dir::State::status=status".into(),
        "APT::Sandbox::User=root".into(),
        "APT::Get::List-Cleanup=false".into(),
        "Acquire::Languages=none".into(),
        format!("Acquire::http::Proxy=http://{}", proxy.addr()),
    ];
    let mut command = Command::new("apt-get");
    command
        .args(options.iter().flat_map(|o| ["-o", o]))
        .args(args)
        .current_dir(dir);
    run_within(
        command
            .env_remove("http_proxy")
            .env_remove("no_proxy")
            .env("APT_CONFIG", "/dev/null"),
        LONG,
    )
}

fn state(nginx: &Nginx) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for sub in [
        "etc/apt",
        "var/lib/apt/lists/partial",
        "var/lib/apt",
        "var/cache/apt/archives/partial",
        "var/lib/dpkg",
    ] {
        std::fs::create_dir_all(dir.path().join(sub)).unwrap();
    }
    let source = format!("deb [trusted=yes] http://{}/ ./\n", nginx.addr);
    for file in ["etc/apt/sources.list", "sources.list"] {
        std::fs::write(dir.path().join(file), &source).unwrap();
    }
    for file in ["status", "var/lib/apt/status", "var/lib/dpkg/status"] {
        std::fs::write(dir.path().join(file), "").unwrap();
    }
    dir
}

#[test]
fn update_and_download_twice_the_second_from_the_cache() {
    let root = tempfile::tempdir().unwrap();
    repository(root.path());
    let nginx = Nginx::serving(root.path(), "add_header Cache-Control max-age=600;");
    let proxy = Launch::forward().start();
    let wanted = std::fs::read(root.path().join("understudy-demo_1.0_all.deb")).unwrap();
    let mut asked = Vec::new();
    for _ in 0..2 {
        let dir = state(&nginx);
        let updated = apt(dir.path(), &proxy, &["update"]).expect(0);
        assert!(!updated.text().contains("Err:"), "{}", updated.text());
        apt(dir.path(), &proxy, &["download", "understudy-demo"]).expect(0);
        assert_eq!(
            std::fs::read(dir.path().join("understudy-demo_1.0_all.deb")).unwrap(),
            wanted
        );
        // Again with what is there: conditional requests.
        apt(dir.path(), &proxy, &["update"]).expect(0);
        let log = settled(&nginx);
        asked.push(log.iter().filter(|l| l.contains("\" 200 ")).count());
    }
    assert!(asked[0] >= 3, "{:?}", nginx.log());
    assert_eq!(
        asked[0],
        asked[1],
        "the second client was not served from the cache: {:?}",
        nginx.log()
    );
}
