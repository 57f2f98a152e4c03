//! Recipes that list the partitions of their disk: what is refused, and what the plan has.

use goldsmith::disk::DiskLayout;
use goldsmith::recipe::{Firmware, Layout};

use crate::includes::{DEBIAN, Folder};

fn with(disk: &str) -> Folder {
    Folder::new(&[("recipe.yaml", &format!("{DEBIAN}disk: {disk}\n"))])
}

#[test]
fn errors_in_partitions_have_their_place_and_say_what_to_do() {
    let on = regex::Regex::new(r"ON\(([^)]*)\)").expect("a pattern");
    let subvolumes = regex::Regex::new(r"SUB\(([^)]*)\)").expect("a pattern");
    let encrypted = regex::Regex::new(r"ENC\(([^)]*)\)").expect("a pattern");
    let lvm = regex::Regex::new(r"LVM\((\w+): (.*)\)\]").expect("a pattern");
    for (disk, place, words) in [
        ("{ layout: bios, partitions: [bios-boot, file-system: { mount: / }] }", "layout", "leave `layout` out"),
        ("{ partitions: [] }", "partitions", "end the list with `file-system: { mount: / }`"),
        ("{ partitions: [bios-boot] }", "partitions", "no partition has the root file system"),
        ("{ partitions: [file-system: { mount: / }] }", "partitions", "add `bios-boot` for BIOS"),
        ("{ partitions: [bios-boot, bios-boot, ROOT] }", "partitions", "there are 2 partitions `bios-boot`"),
        ("{ partitions: [bios-boot, ROOT, swap: { size: 1GiB }] }", "partitions", "is not the last"),
        ("{ partitions: [bios-boot, file-system: { mount: /var }, ROOT] }", "file-", "has no size"),
        ("{ partitions: [bios-boot, file-system: { mount: /, size: 1GiB }] }", "file-", "leave `size` out"),
        ("{ partitions: [bios-boot, ON(/etc), ROOT] }", "file-", "`/etc` cannot be a file system of its own"),
        ("{ partitions: [bios-boot, ON(var), ROOT] }", "file-", "write an absolute path"),
        ("{ partitions: [bios-boot, ON(/a/../b), ROOT] }", "file-", "is no directory for a mount"),
        (
            "{ size: 4GiB, partitions: [bios-boot, ON(/a), swap: { size: 1GiB }, ON(/a), ROOT] }",
            "file-system: { mount: /a, size: 1GiB }, file",
            "`/a` is there twice",
        ),
        (
            "{ size: 4GiB, partitions: [bios-boot, ON(/a/x), ON(/b/x), ROOT] }",
            "file-system: { mount: /b",
            "two file systems have the label `x`",
        ),
        (
            "{ partitions: [bios-boot, file-system: { mount: /var, size: 1GiB, label: 'a b' }, ROOT] }",
            "file-",
            "`a b` is no label for ext4",
        ),
        (
            "{ partitions: [bios-boot, file-system: { mount: /var, size: 1GiB, options: ['a,b'] }, ROOT] }",
            "file-",
            "write each option as an entry of its own",
        ),
        (
            "{ partitions: [bios-boot, file-system: { mount: /var, type: xfs, size: 1GiB, label: thirteen-long }, ROOT] }",
            "file-",
            "a label has up to 12 letters",
        ),
        (
            "{ partitions: [bios-boot, file-system: { mount: /boot, type: xfs, size: 300MiB }, ROOT] }",
            "file-",
            "it needs at least 320 MiB",
        ),
        (
            "{ size: 300MiB, partitions: [bios-boot, file-system: { mount: /, type: xfs }] }",
            "partitions",
            "`disk.size` of 323 MiB or more",
        ),
        ("{ partitions: [efi: { size: 20MiB }, ROOT] }", "efi", "it needs at least 34 MiB"),
        ("{ partitions: [bios-boot, swap: { size: 1000000000B }, ROOT] }", "swap", "whole numbers of MiB"),
        ("{ partitions: [bios-boot, swap: { size: 3GiB }, ROOT] }", "partitions", "has no room for these partitions"),
        ("{ partitions: [bios-boot, LVM(mapper: ROOT)] }", "lvm", "`mapper` cannot name a volume group"),
        (
            "{ partitions: [bios-boot, lvm: { group: s, volumes: [ROOT] }, swap: { size: 128MiB }] }",
            "lvm",
            "takes the rest of the disk, and is not",
        ),
        (
            "{ partitions: [bios-boot, LVM(s: swap: { size: 1GiB })] }",
            "partitions",
            "no partition has the root file system",
        ),
        ("{ partitions: [bios-boot, LVM(s: ON(/s_x), ROOT)] }", "file-", "`s_x` cannot name a logical volume"),
        (
            "{ partitions: [bios-boot, LVM(s: file-system: { mount: /srv }, ROOT)] }",
            "file-",
            "the volume `srv` has no size",
        ),
        ("{ partitions: [bios-boot, LVM(s: swap: { size: 130MiB }, ROOT)] }", "swap:", "whole numbers of 4 MiB"),
        ("{ partitions: [bios-boot, LVM(s: swap: { size: 64MiB }, ROOT)] }", "swap:", "it needs at least 128 MiB"),
        (
            "{ partitions: [bios-boot, LVM(s: swap: { size: 128MiB }, swap: { size: 132MiB }, ROOT)] }",
            "swap: { size: 132",
            "two volumes have the name `swap`",
        ),
        (
            "{ partitions: [bios-boot, LVM(s: ON(/var), ON(/home), ON(/srv), ROOT)] }",
            "partitions",
            "no room for these partitions",
        ),
        (
            "{ partitions: [bios-boot, file-system: { mount: /, subvolumes: [{ name: '@', mount: / }] }] }",
            "subvolumes",
            "only a btrfs has subvolumes, and `/` is ext4",
        ),
        (
            "{ partitions: [bios-boot, SUB(@ /, @ /home)] }",
            "{ name: '@', mount: /home",
            "two subvolumes have the name `@`",
        ),
        ("{ partitions: [bios-boot, SUB(@ /, a /home, b /home)] }", "{ name: 'b'", "`/home` is there twice"),
        (
            "{ size: 4GiB, partitions: [bios-boot, ON(/home), SUB(@ /, a /home)] }",
            "{ name: 'a'",
            "`/home` is there twice",
        ),
        (
            "{ size: 4GiB, partitions: [bios-boot, ON(/var), SUB(@ /, a /var/log)] }",
            "{ name: 'a'",
            "`/var/log` lies in the file system of `/var`",
        ),
        ("{ partitions: [bios-boot, SUB(@home /home)] }", "subvolumes", "no subvolume is mounted at `/`"),
        ("{ partitions: [bios-boot, SUB(@ /, a/b /home)] }", "{ name: 'a/b'", "`a/b` cannot name a subvolume"),
        ("{ partitions: [bios-boot, SUB(@ /, a home)] }", "{ name: 'a'", "`home` is no directory for a mount"),
        ("{ partitions: [bios-boot, SUB(@ /, a /etc)] }", "{ name: 'a'", "`/etc` cannot be a file system of its own"),
        (
            "{ partitions: [bios-boot, file-system: { mount: /srv, type: btrfs, size: 1GiB, subvolumes: [{ name: a, mount: /srv }, { name: b, mount: /srvs }] }, ROOT] }",
            "{ name: b",
            "`/srvs` does not lie in `/srv`",
        ),
        (
            "{ partitions: [bios-boot, file-system: { mount: /srv, type: btrfs, size: 200MiB, subvolumes: [{ name: a, mount: /srv }] }, ROOT] }",
            "file-",
            "it needs at least 256 MiB",
        ),
        (
            "{ partitions: [bios-boot, file-system: { mount: /, type: btrfs, subvolumes: [{ name: '@', mount: /, options: ['a b'] }] }] }",
            "{ name: '@'",
            "`a b` is no mount option",
        ),
        (
            "{ partitions: [bios-boot, file-system: { mount: /, encrypted: { secret: k } }] }",
            "encrypted",
            "`/` cannot be encrypted: the image boots before anybody gives it a key",
        ),
        ("{ partitions: [bios-boot, ENC(/srv), ROOT] }", "encrypted", "the recipe has no secret `k`"),
        (
            "{ size: 4GiB, partitions: [bios-boot, ENC(/srv), ON(/srv/a), ROOT] }",
            "encrypted",
            "`/srv/a` lies in the encrypted",
        ),
        ("{ partitions: [bios-boot, ENC(/control), ROOT] }", "encrypted", "`control` cannot name an encrypted"),
        ("{ partitions: [bios-boot, LVM(s: ENC(/srv), ROOT)] }", "encrypted", "a logical volume cannot be encrypted"),
        (
            "{ partitions: [bios-boot, file-system: { mount: /srv, type: btrfs, size: 1GiB, encrypted: { secret: k }, subvolumes: [{ name: a, mount: /srv }] }, ROOT] }",
            "encrypted",
            "`subvolumes` and `encrypted` exclude each other",
        ),
        (
            "{ partitions: [bios-boot, file-system: { mount: /srv, size: 130MiB, encrypted: { secret: k } }, ROOT] }",
            "file-",
            "it needs at least 144 MiB",
        ),
        ("{ table: mbr, partitions: [bios-boot, ROOT] }", "partitions", "are partitions of a GPT"),
        ("{ size: 3TiB, table: mbr, partitions: [ROOT] }", "mbr", "an MBR is for disks of at most 2 TiB"),
        ("{ table: mbr }", "table", "list the partitions, or remove it"),
    ] {
        let disk = lvm.replace_all(disk, "lvm: { group: $1, volumes: [$2] }]");
        let disk = subvolumes.replace_all(&disk, |found: &regex::Captures<'_>| {
            let one =
                |pair: &str| pair.split_once(' ').map(|(name, mount)| format!("{{ name: '{name}', mount: {mount} }}"));
            let all: Vec<_> = found[1].split(", ").filter_map(one).collect();
            format!("file-system: {{ mount: /, type: btrfs, subvolumes: [{}] }}", all.join(", "))
        });
        let disk = on
            .replace_all(&disk, "file-system: { mount: $1, size: 1GiB }")
            .replace("ROOT", "file-system: { mount: / }");
        let disk = encrypted.replace_all(&disk, "file-system: { mount: $1, size: 1GiB, encrypted: { secret: k } }");
        let errors = with(&disk).load("recipe.yaml").expect_err(&disk);
        let found = errors.iter().find(|error| error.render(false).contains(words));
        let found = found.unwrap_or_else(|| panic!("{disk}: {words}\n{errors}"));
        let position = found.position().expect("a place");
        let column = format!("disk: {disk}").find(place).expect("it is there") + 1;
        assert_eq!((position.line, position.column), (3, column), "{disk}: {errors}");
    }
    let many = ["/a", "/b", "/c"].map(|mount| format!("file-system: {{ mount: {mount}, size: 128MiB }}")).join(", ");
    let disk = format!("{{ table: mbr, partitions: [swap: {{ size: 128MiB }}, {many}, file-system: {{ mount: / }}] }}");
    let errors = with(&disk).load("recipe.yaml").expect_err("five are too many").to_string();
    assert!(errors.contains("an MBR has at most 4 partitions"), "{errors}");
    let arm = format!("{DEBIAN}arch: aarch64\ndisk: {{ partitions: [bios-boot, file-system: {{ mount: / }}] }}\n");
    let errors = Folder::new(&[("recipe.yaml", &arm)]).load("recipe.yaml").expect_err("it has no BIOS").to_string();
    assert!(errors.contains("machines of aarch64 have no BIOS"), "{errors}");
}

#[test]
fn partitions_decide_the_firmware_and_bring_the_packages_of_their_file_systems() {
    for (disk, layout, firmware) in [
        ("{ table: mbr, partitions: [file-system: { mount: / }] }", Layout::Bios, vec![Firmware::Bios]),
        ("{ partitions: [efi: {}, file-system: { mount: / }] }", Layout::Uefi, vec![Firmware::Uefi]),
        ("{ table: mbr, partitions: [file-system: { mount: /, type: xfs }] }", Layout::Bios, vec![Firmware::Bios]),
        (
            "{ partitions: [bios-boot, efi: { size: 64MiB }, file-system: { mount: /, type: btrfs }] }",
            Layout::BiosUefi,
            vec![Firmware::Bios, Firmware::Uefi],
        ),
    ] {
        let plan = with(disk).plan("recipe.yaml");
        assert_eq!((plan.disk.layout, plan.disk.firmware.clone()), (layout, firmware), "{disk}");
        let layout = DiskLayout::new(&plan.disk, plan.arch, plan.steps[0].key.digest()).expect("a layout");
        assert_eq!(layout.partitions.len(), plan.disk.partitions.len());
        for (kind, package) in [("btrfs", "btrfs-progs"), ("xfs", "xfsprogs")] {
            let wanted = plan.packages.get(package).map(|wanted| wanted.join(", "));
            assert_eq!(wanted.as_deref(), disk.contains(kind).then_some("the partition of `/`"), "{disk}");
        }
    }
}

#[test]
fn partitions_are_part_of_the_key_and_a_recipe_without_them_keeps_its_layers() {
    let plain = with("{ size: 3GiB, layout: bios }").plan("recipe.yaml");
    let listed = with("{ size: 3GiB, partitions: [bios-boot, file-system: { mount: / }] }").plan("recipe.yaml");
    let other = with("{ size: 3GiB, partitions: [bios-boot, file-system: { mount: /, options: [noatime] }] }");
    let keys = [&plain, &listed, &other.plan("recipe.yaml")].map(|plan| plan.steps[0].key);
    assert!(keys[0] != keys[1] && keys[1] != keys[2], "{keys:?}");
    let text = plain.steps[0].ingredients["disk"].to_string();
    assert!(!text.contains("partitions") && !text.contains("table"), "{text}");
}

#[test]
fn an_image_keeps_its_partitions() {
    let image = "name: x\nbase: { image: { source: a.qcow2, sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa } }\n\
        disk: { table: gpt, partitions: [bios-boot, file-system: { mount: / }] }\n";
    let errors = Folder::new(&[("recipe.yaml", image)]).load("recipe.yaml").expect_err("they are there").to_string();
    assert_eq!(errors.matches("an image has its partitions already").count(), 2, "{errors}");
}

#[test]
fn volumes_bring_their_packages_and_boot_has_a_partition_where_the_boot_loader_needs_it() {
    let lvm = "lvm: { group: system, volumes: [file-system: { mount: /var, type: xfs, size: 400MiB }, file-system: { mount: / }] }";
    let plan = with(&format!("{{ partitions: [bios-boot, {lvm}] }}")).plan("recipe.yaml");
    for (package, wanted) in [("lvm2", "the volume group `system`"), ("xfsprogs", "the partition of `/var`")] {
        assert_eq!(plan.packages.get(package).map(|wanted| wanted.join(", ")).as_deref(), Some(wanted));
    }
    let layout = DiskLayout::new(&plan.disk, plan.arch, plan.steps[0].key.digest()).expect("a layout");
    let devices: Vec<_> = layout.mounts().iter().map(|mount| format!("{} {:?}", mount.path, mount.source)).collect();
    assert_eq!(devices, ["/ Device(\"/dev/system/root\")", "/var Device(\"/dev/system/var\")"]);
    let boot = "file-system: { mount: /boot, size: 512MiB }, ";
    for (distro, release, boot, words) in [
        ("fedora", "'43'", "", Some("cannot write to volumes")),
        ("fedora", "'43'", boot, None),
        ("alpine", "'3.23'", boot, Some("no package for LVM is known for Alpine Linux")),
    ] {
        let base = format!("name: x\nbase: {{ bootstrap: {{ distro: {distro}, release: {release} }} }}\n");
        let text = format!("{base}disk: {{ partitions: [bios-boot, {boot}{lvm}] }}\n");
        let errors = Folder::new(&[("recipe.yaml", &text)]).load("recipe.yaml").err().map(|errors| errors.to_string());
        let found = errors.as_deref().is_some_and(|errors| words.is_some_and(|words| errors.contains(words)));
        assert_eq!((errors.is_some(), found), (words.is_some(), words.is_some()), "{distro}: {errors:?}");
    }
}

#[test]
fn an_encrypted_partition_is_locked_during_the_build_and_its_key_is_no_part_of_any_layer() {
    let disk = "{ partitions: [bios-boot, file-system: { mount: /srv, size: 1GiB, encrypted: { secret: disk-key } }, file-system: { mount: / }] }";
    let secrets = "secrets: { disk-key: { env: DISK_KEY } }\n";
    let recipe = format!("{DEBIAN}disk: {disk}\n{secrets}");
    let plan = Folder::new(&[("recipe.yaml", &recipe)]).plan("recipe.yaml");
    let wanted = plan.packages.get("cryptsetup-bin").map(|wanted| wanted.join(", "));
    assert_eq!(wanted.as_deref(), Some("the encrypted partition of `/srv`"));
    let layout = DiskLayout::new(&plan.disk, plan.arch, plan.steps[0].key.digest()).expect("a layout");
    assert_eq!(layout.mounts().iter().map(|mount| mount.path.as_str()).collect::<Vec<_>>(), ["/"]);
    assert!(layout.sfdisk_script().contains("type=CA7D7CCB-63ED-4C53-861C-1742536059CC"));
    let text = plan.steps[0].ingredients["disk"].to_string();
    assert!(text.contains("disk-key") && !text.contains("DISK_KEY"), "{text}");
    for (distro, release, words) in [
        ("alpine", "'3.23'", "only systemd opens encrypted partitions, and Alpine Linux has another init"),
        ("fedora", "'43'", "no package for LUKS is known for Fedora"),
    ] {
        let base = format!("name: x\nbase: {{ bootstrap: {{ distro: {distro}, release: {release} }} }}\n");
        let text = format!("{base}disk: {disk}\n{secrets}");
        let errors = Folder::new(&[("recipe.yaml", &text)]).load("recipe.yaml").expect_err(distro).to_string();
        assert!(errors.contains(words), "{errors}");
    }
}
