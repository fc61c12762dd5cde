//! Archives unpack.

use crate::kit::{body, objects};
use std::{collections::HashMap, fs, io::Read as _, process::Command};
use understudy_bed::world::Format;

/// What a tar file has, by name: strictly, every header's checksum looked at.
fn untar(mut tar: &[u8]) -> HashMap<String, Vec<u8>> {
    let text = |field: &[u8]| {
        let end = field.iter().position(|&b| b == 0).unwrap_or(field.len());
        String::from_utf8(field[..end].to_vec()).unwrap()
    };
    let octal = |field: &[u8]| u32::from_str_radix(text(field).trim(), 8).unwrap();
    let mut files = HashMap::new();
    while tar[..512].iter().any(|&b| b != 0) {
        let mut header = tar[..512].to_vec();
        let told = octal(&header[148..156]);
        header[148..156].fill(b' ');
        assert_eq!(header.iter().map(|&b| u32::from(b)).sum::<u32>(), told);
        let length = octal(&header[124..136]) as usize;
        files.insert(text(&header[..100]), tar[512..512 + length].to_vec());
        tar = &tar[512 + length.next_multiple_of(512)..];
    }
    assert_eq!(tar.len(), 1024, "two empty blocks and nothing behind");
    files
}

#[test]
fn gzip_is_a_tar_file_that_unpacks() {
    for (kind, count) in [("download", 4), ("release", 1)] {
        for object in objects(kind, Format::Gzip, count) {
            let bytes = body(object);
            let mut tar = Vec::new();
            flate2::read::MultiGzDecoder::new(&bytes[..])
                .read_to_end(&mut tar)
                .unwrap();
            let files = untar(&tar);
            assert_eq!(files["README"].len(), 16);
            assert!(files.len() > bytes.len() / 40_000);
        }
    }
}

#[test]
fn zip_unpacks_and_its_entries_are_whole() {
    for (kind, count) in [("download", 4), ("release", 1)] {
        for object in objects(kind, Format::Zip, count) {
            let bytes = body(object);
            let length = bytes.len();
            let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
            assert!(archive.len() > length / 40_000);
            for number in 0..archive.len() {
                let mut entry = archive.by_index(number).unwrap();
                let mut content = Vec::new();
                // Reading to the end checks the entry's CRC.
                entry.read_to_end(&mut content).unwrap();
                assert_eq!(content.len() as u64, entry.size());
            }
        }
    }
}

#[test]
fn archives_unpack_by_the_programs_people_have() {
    let directory = tempfile::tempdir().unwrap();
    for (format, name, program, argument) in [
        (Format::Gzip, "a.tar.gz", "tar", "-tzf"),
        (Format::Gzip, "a.tar.gz", "gzip", "-t"),
        (Format::Zip, "a.zip", "unzip", "-tqq"),
    ] {
        if Command::new(program).arg("--help").output().is_err() {
            eprintln!("no {program} here: other tests read archives by crates");
            continue;
        }
        for kind in ["download", "release"] {
            let file = directory.path().join(name);
            fs::write(&file, body(objects(kind, format, 1)[0])).unwrap();
            let out = Command::new(program)
                .arg(argument)
                .arg(&file)
                .output()
                .unwrap();
            assert!(
                out.status.success() && out.stderr.is_empty(),
                "{program}: {}",
                String::from_utf8_lossy(&out.stderr)
            );
        }
    }
}
