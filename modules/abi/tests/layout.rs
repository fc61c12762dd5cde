//! The header and its mirrors agree: the C compiler is asked.
#![allow(clippy::unwrap_used)]

mod common;

use common::include;
use std::fmt::Write;
use std::process::Command;
use tempfile::tempdir;
use understudy_module::raw::*;
use understudy_module::{Hook, Refused};

fn compile(compiler: &str, flags: &[&str], name: &str, source: &str) -> tempfile::TempDir {
    let dir = tempdir().unwrap();
    let file = dir.path().join(name);
    std::fs::write(&file, source).unwrap();
    let made = Command::new(compiler)
        .args(flags)
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"])
        .arg(include())
        .arg(&file)
        .arg("-o")
        .arg(dir.path().join("program"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{told}");
    dir
}

#[test]
fn every_field_lies_where_c_puts_it() {
    let layouts = [
        Slice::LAYOUT,
        Owned::LAYOUT,
        Field::LAYOUT,
        Address::LAYOUT,
        Token::LAYOUT,
        Attention::LAYOUT,
        Entry::LAYOUT,
        Operation::LAYOUT,
        Listed::LAYOUT,
        Completion::LAYOUT,
        HostTable::LAYOUT,
        ModuleTable::LAYOUT,
    ];
    let (mut source, mut expected) = (String::new(), String::new());
    source.push_str("#include \"understudy.h\"\n#include <stdio.h>\nint main(void) {\n");
    let mut ask = |what: &str, is: i64| {
        writeln!(source, "printf(\"%s %ld\\n\", \"{what}\", (long)({what}));").unwrap();
        writeln!(expected, "{what} {is}").unwrap();
    };
    for (name, size, fields) in layouts {
        ask(&format!("sizeof({name})"), size as i64);
        for (field, offset) in fields {
            ask(&format!("offsetof({name}, {field})"), *offset as i64);
        }
    }
    for hook in Hook::ALL {
        ask(
            &format!("US_HOOK_{}", hook.name().to_uppercase()),
            hook as i64,
        );
    }
    for (name, is) in [
        ("US_MAJOR", i64::from(MAJOR)),
        ("US_MINOR", i64::from(MINOR)),
        ("US_CONTINUE", verdict::CONTINUE.into()),
        ("US_DONE", verdict::DONE.into()),
        ("US_RESPOND", verdict::RESPOND.into()),
        ("US_REPLACE", verdict::REPLACE.into()),
        ("US_DROP", verdict::DROP.into()),
        ("US_HOLD", verdict::HOLD.into()),
        ("US_PENDING", verdict::PENDING.into()),
        ("US_FAIL", verdict::FAIL.into()),
        ("US_FIRST", verdict::FIRST.into()),
        ("US_NAME", Refused::Name.code().into()),
        ("US_VALUE", Refused::Value.code().into()),
        ("US_FRAMING", Refused::Framing.code().into()),
        ("US_SEALED", Refused::Sealed.code().into()),
        ("US_PLACE", Refused::Place.code().into()),
        ("US_STATUS", Refused::Status.code().into()),
        ("US_TARGET", Refused::Target.code().into()),
        ("US_TOO_MUCH", Refused::TooMuch.code().into()),
        ("US_ABSENT", code::ABSENT.into()),
        ("US_ARGUMENT", code::ARGUMENT.into()),
        ("US_STALE", code::STALE.into()),
        ("US_INTERNAL", code::INTERNAL.into()),
        ("US_BLOCKING", flag::BLOCKING.into()),
        ("US_SINGLE", flag::SINGLE.into()),
        ("US_ONLY_LOOKS", flag::ONLY_LOOKS.into()),
        ("US_ORDERS_ADDRESSES", flag::ORDERS_ADDRESSES.into()),
        ("US_ABORTS", flag::ABORTS.into()),
        ("US_FREE_IS_NO_HOOK", flag::FREE_IS_NO_HOOK.into()),
    ] {
        ask(name, is);
    }
    source.push_str("return 0; }\n");
    let dir = compile("cc", &["-std=c11"], "layout.c", &source);
    let said = Command::new(dir.path().join("program")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), expected);
}

#[test]
fn the_header_compiles_as_c_and_as_cpp() {
    let source = "#include \"understudy.h\"\n#include \"understudy.h\"\nint main(void) {\n\
                  us_bytes b = us_str(\"x\");\n\
                  us_operation o = us_operation_of(US_DELETE, NULL);\n\
                  us_attention a = us_attention_of(0, US_HOOK_BIT(US_HOOK_REQUEST_HEAD), 0);\n\
                  return us_is(b, \"x\") && o.size == sizeof o && a.size == sizeof a && a.noted == 1 ? 0 : 1; }\n";
    for (compiler, standard, name) in [
        ("cc", "-std=c11", "header.c"),
        ("cc", "-std=c99", "header.c"),
        ("c++", "-std=c++17", "header.cc"),
    ] {
        let dir = compile(compiler, &[standard], name, source);
        let ran = Command::new(dir.path().join("program")).status().unwrap();
        assert!(ran.success(), "{compiler} {standard}");
    }
}
