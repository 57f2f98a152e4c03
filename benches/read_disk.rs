//! Reads all data of a disk in a chain of files, as an export does, and prints how much there was. `benches/growth.sh` measures it.
//!
//! Usage: `read_disk FILE DIRECTORY`, where the directory holds the whole chain.

use std::path::Path;

use goldsmith::image::read::{self, Backing};
use goldsmith::image::{CHUNK, Format};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1);
    let (Some(file), Some(directory)) = (args.next(), args.next()) else {
        return Err("usage: read_disk FILE DIRECTORY".into());
    };
    let options = read::Options { format: Some(Format::Qcow2), backing: Backing::Within(Path::new(&directory)) };
    let disk = read::open(Path::new(&file), &options)?.source;
    let mut buffer = vec![0; CHUNK];
    let mut read = 0;
    for extent in disk.extents()?.iter() {
        let mut at = extent.start;
        while at < extent.end {
            let length = (extent.end - at).min(CHUNK as u64);
            disk.read_at(at, &mut buffer[..usize::try_from(length)?])?;
            at += length;
        }
        read += extent.end - extent.start;
    }
    #[allow(clippy::print_stdout, reason = "a program tells what it has done")]
    {
        println!("{read} bytes");
    }
    Ok(())
}
