//! Has the program built again when an element or a distribution is added or removed: files that are embedded are watched by
//! the compiler, folders are not.

fn main() {
    println!("cargo:rerun-if-changed=elements");
    println!("cargo:rerun-if-changed=distros");
}
