//! A guest, and disks to attach to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use goldsmith::disk::qemu_img::QemuImg;
use goldsmith::event::{Event, Reporter};
use goldsmith::guest::libguestfs::LibguestfsGuest;
use goldsmith::guest::{Accel, Guest as _, GuestConfig};
use goldsmith::image::Format;
use goldsmith::interrupt::Interrupt;
use goldsmith::units::ByteSize;

struct Silent;

impl Reporter for Silent {
    fn report(&self, _: &Event) {}
}

/// A directory, and an image.
pub(crate) struct DiskGuest {
    pub(crate) work: tempfile::TempDir,
    image: PathBuf,
    started: Instant,
}

impl DiskGuest {
    /// With the image of `recipes/debian-12.yaml`, which `GOLDSMITH_TEST_IMAGE` names or is built.
    pub(crate) fn new() -> Self {
        Self { image: crate::shared::debian_12(), ..Self::empty() }
    }

    /// With the image of a recipe, which has this name.
    pub(crate) fn of(recipe: &str, name: &str) -> Self {
        Self { image: crate::shared::image(name, recipe), ..Self::empty() }
    }

    fn empty() -> Self {
        let work = tempfile::Builder::new().prefix("gold").tempdir().expect("a temporary directory");
        std::fs::create_dir(work.path().join("s")).expect("a directory");
        Self { work, image: PathBuf::new(), started: Instant::now() }
    }

    pub(crate) fn launch(&self) -> LibguestfsGuest {
        let config = GuestConfig {
            accel: Accel::Tcg,
            memory: ByteSize::mebibytes(768),
            cpus: 2,
            network: None,
            emulator: None,
            socket_dir: self.work.path().join("s"),
        };
        LibguestfsGuest::launch(&config, Arc::new(Silent), &Interrupt::new()).expect("a guest")
    }

    /// Attaches the image, on a disk of a size.
    pub(crate) fn attach(&self, guest: &mut LibguestfsGuest, name: &str, size: u64) {
        let overlay = self.work.path().join(name);
        QemuImg::default().create_overlay(&overlay, &self.image, Format::Qcow2, size).expect("an overlay");
        guest.attach(&overlay).expect("attached");
    }

    /// Attaches another image, on a disk of a size.
    pub(crate) fn attach_other(&self, guest: &mut LibguestfsGuest, image: &Path, size: u64) {
        let overlay = image.with_extension("overlay");
        QemuImg::default().create_overlay(&overlay, image, Format::Qcow2, size).expect("an overlay");
        guest.attach(&overlay).expect("attached");
    }

    pub(crate) fn tell(&self, what: &str) {
        eprintln!("{:6.1} s  {what}", self.started.elapsed().as_secs_f64());
    }
}

/// A disk with nothing on it.
pub(crate) fn empty_disk(work: &Path, name: &str) -> PathBuf {
    const SIZE: u64 = 512 << 20;
    let (raw, disk) = (work.join(format!("{name}.raw")), work.join(format!("{name}.qcow2")));
    std::fs::File::create(&raw).and_then(|file| file.set_len(SIZE)).expect("a file");
    QemuImg::default().create_overlay(&disk, &raw, Format::Raw, SIZE).expect("a disk");
    disk
}

/// Puts as much of a system on a logical volume of the attached disk as is needed to know it for one.
pub(crate) fn logical_volume(guest: &mut LibguestfsGuest) {
    let disk = guest.disk_device().expect("a disk");
    let script = format!(
        r#"exec 2>&1; set -e
        echo 'label: gpt
        size=+' | sfdisk --quiet {disk}
        udevadm settle
        pvcreate -q {disk}1; vgcreate -q system {disk}1; lvcreate -q -l 100%FREE -n root system
        mkfs.ext4 -q /dev/system/root; mount /dev/system/root /sysroot; cd /sysroot
        mkdir -p etc bin usr lib var boot root run tmp proc
        echo '/dev/mapper/system-root / ext4 defaults 0 1' >etc/fstab
        printf 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian of the tests"\n' >etc/os-release
        echo 12.7 >etc/debian_version
        cd /; umount /sysroot; vgchange -q -a n system"#
    );
    guest.in_appliance(&script).unwrap_or_else(|error| panic!("{error}"));
}
