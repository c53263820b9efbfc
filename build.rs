//! Has the programs unwind by themselves where the linker can: `libgcc_s` would be looked for, mapped and bound at each start,
//! which takes a tenth of what a push costs that nobody wants to hear of.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=RUSTC_LINKER");
    let target = |what: &str| std::env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    let is_crossing = std::env::var("HOST") != std::env::var("TARGET");
    if target("OS") != "linux" || target("ENV") != "gnu" || is_crossing {
        return;
    }
    // The linker is a C compiler, which knows where its own libraries are; one that is none, or has no such file, says so.
    let linker = std::env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let said = Command::new(linker).arg("-print-file-name=libgcc_eh.a").output();
    let path = said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).unwrap_or_default();
    if Path::new(&path).is_absolute() && Path::new(&path).is_file() {
        // All of it, since what stands last is otherwise taken for what nothing before it has.
        println!("cargo:rustc-link-arg-bins=-Wl,--whole-archive,{path},--no-whole-archive");
    }
}
