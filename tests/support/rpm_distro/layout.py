#!/usr/bin/env python3
"""Changes a tree of Debian so that files have the paths of Fedora: one directory for programs, /boot/grub2, files of the EFI
system partition, units, users. Adds the files that this directory has in files/PACKAGE.
Usage: layout.py TREE FILES OWNERS, where OWNERS gets lines `PACKAGE PATH` for files that Debian's database does not know."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

TREE = pathlib.Path(sys.argv[1])
FILES = pathlib.Path(sys.argv[2])
OWNERS = []


def own(package, *paths):
    OWNERS.extend(f"{package} {path}" for path in paths)


def at(path):
    return TREE / path.lstrip("/")


def move(package, source, target):
    at(target).parent.mkdir(parents=True, exist_ok=True)
    os.rename(at(source), at(target))
    own(package, target)


def copy(package, source, target):
    at(target).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(at(source), at(target))
    own(package, target)


def edit(path, *changes):
    """Replaces texts, each of which must be there."""
    text = at(path).read_text()
    for pattern, replacement in changes:
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        if not count:
            sys.exit(f"layout.py: {path} has nothing like {pattern}")
    at(path).write_text(text)


def link(package, path, target):
    at(path).parent.mkdir(parents=True, exist_ok=True)
    at(path).unlink(missing_ok=True)
    at(path).symlink_to(target)
    own(package, path)


def alternatives():
    """Links through /etc/alternatives lead to their targets. The package of the target has them."""
    owner = {}
    for listing in at("/var/lib/dpkg/info").glob("*.list"):
        owner.update(dict.fromkeys(listing.read_text().splitlines(), listing.stem.split(":")[0]))
    from names import RPM_NAMES
    for directory in ("/usr/bin", "/usr/sbin"):
        for path in list(at(directory).iterdir()):
            if path.is_symlink() and os.readlink(path).startswith("/etc/alternatives/"):
                target = os.readlink(at(os.readlink(path)))
                deb = owner.get(target) or owner.get(target.removeprefix("/usr"))
                link(RPM_NAMES.get(deb, deb), f"/usr/bin/{path.name}", target.replace("/sbin/", "/bin/"))
                if directory == "/usr/sbin":
                    path.unlink()


def one_directory_for_programs():
    """Fedora 42 has no other than /usr/bin. Links from one of Debian's to the other are in the way."""
    for path in list(at("/usr/sbin").iterdir()):
        target = at("/usr/bin") / path.name
        # /bin of the tree leads to /usr/bin.
        leads_to = os.path.normpath(os.path.join("/usr/sbin", os.readlink(path))) if path.is_symlink() else ""
        if leads_to.removeprefix("/usr") == f"/bin/{path.name}":
            path.unlink()
            continue
        if os.path.lexists(target):
            target.unlink()
        os.rename(path, target)
    at("/usr/sbin").rmdir()
    link("filesystem", "/usr/sbin", "bin")
    own("filesystem", "/bin", "/sbin", "/lib", "/lib64", "/etc/mtab", "/var/spool/mail", "/usr/local/man")
    link("bash", "/usr/bin/sh", "bash")


def users():
    for name in ("passwd", "group", "shadow", "gshadow"):
        text = at(f"/etc/{name}").read_text().replace("_chrony", "chrony")
        text = re.sub(r"^_apt:.*\n", "", text, flags=re.MULTILINE)
        if name == "group":
            text += "wheel:x:990:\n"
        elif name == "gshadow":
            text += "wheel:*::\n"
        at(f"/etc/{name}").write_text(text)
        own("setup", f"/etc/{name}")
    own("setup", *(f"/etc/{name}" for name in ("subuid", "subgid", "shells", "environment", "hosts.allow", "hosts.deny",
                                               "motd", "inputrc", "profile", "security/opasswd")))
    own("setup", "/root/.bashrc", "/root/.profile")
    own("glibc", "/etc/nsswitch.conf")
    own("policycoreutils", "/etc/selinux/config")
    own("pam", *(f"/etc/pam.d/common-{part}"
                 for part in ("account", "auth", "password", "session", "session-noninteractive")))
    # rpm knows no group before /etc/group is there. So in Fedora no group reads /etc/shadow, and root's programs do.
    for name, mode in (("/etc/shadow", 0), ("/etc/gshadow", 0), ("/usr/bin/unix_chkpwd", 0o4755), ("/usr/bin/chage", 0o4755),
                       ("/usr/bin/expiry", 0o4755)):
        os.chown(at(name), 0, 0)
        at(name).chmod(mode)
    edit("/etc/sudoers", (r"^%sudo\b", "%wheel"))


def units():
    move("openssh-server", "/usr/lib/systemd/system/ssh.service", "/usr/lib/systemd/system/sshd.service")
    move("openssh-server", "/usr/lib/systemd/system/ssh.socket", "/usr/lib/systemd/system/sshd.socket")
    edit("/usr/lib/systemd/system/sshd.service", (r"^Alias=.*\n", ""),
         (r"^ExecStartPre=", "ExecStartPre=/usr/bin/ssh-keygen -A\nExecStartPre="))
    own("openssh-server", "/etc/ssh/sshd_config")
    move("chrony", "/usr/lib/systemd/system/chrony.service", "/usr/lib/systemd/system/chronyd.service")
    edit("/usr/lib/systemd/system/chronyd.service", (r"^Alias=.*\n", ""), ("_chrony", "chrony"))
    edit("/etc/default/chrony", (r'^DAEMON_OPTS="', 'DAEMON_OPTS="-u chrony '))
    own("chrony", "/etc/chrony/chrony.conf", "/etc/chrony/chrony.keys")
    at("/etc/NetworkManager/NetworkManager.conf").write_text("[main]\nplugins=keyfile\n")
    # As cloud-init's own units are in this family: the distribution's class asks hostnamed, and NetworkManager is waited for.
    for name in ("cloud-init-local", "cloud-init"):
        edit(f"/usr/lib/systemd/system/{name}.service", (r"^Before=sysinit.target\n", ""),
             (r"^DefaultDependencies=no\n", "DefaultDependencies=no\nRequires=dbus.socket\nAfter=dbus.socket\n"))
    edit("/usr/lib/systemd/system/cloud-init.service",
         (r"^After=systemd-networkd-wait-online.service", "After=NetworkManager-wait-online.service"))
    copy("cloud-init", "/usr/lib/cloud-init/write-ssh-key-fingerprints", "/usr/libexec/cloud-init/write-ssh-key-fingerprints")
    edit("/etc/cloud/cloud.cfg", (r"distro: debian", "distro: fedora"), (r"name: debian", "name: fedora"),
         (r"gecos: Debian", "gecos: Fedora Cloud User"), (r"groups: \[.*\]", "groups: [wheel, adm, systemd-journal]"),
         (r"^   package_mirrors:\n(     .*\n)*", ""), (r"ssh_svcname: ssh$", "ssh_svcname: sshd"))


def grub():
    for path in sorted(at("/usr/bin").glob("grub-*")):
        of_tools = path.name in ("grub-install", "grub-mkconfig", "grub-reboot", "grub-set-default")
        package = "grub2-tools" if of_tools else "grub2-common"
        move(package, f"/usr/bin/{path.name}", f"/usr/bin/{path.name.replace('grub-', 'grub2-', 1)}")
    library = at("/usr/share/grub/grub-mkconfig_lib")
    scripts = [path for path in [*at("/usr/bin").glob("grub2-*"), *at("/etc/grub.d").iterdir(), library]
               if path == library or path.read_bytes()[:2] == b"#!"]
    for path in scripts:
        text = re.sub(r"\bgrub-(?=(probe|file|mkrelpath|editenv|script-check|mkconfig|install|set-default|reboot)\b)", "grub2-",
                      path.read_text())
        path.write_text(re.sub(r"(/boot|\{bootdir\})/grub\b", r"\1/grub2", text))
    for name in ("05_debian_theme", "20_linux_xen", "30_os-prober", "10_linux"):
        at(f"/etc/grub.d/{name}").unlink()
    # The wrappers of files/grub2-tools stand in front of these.
    for name in ("install", "editenv"):
        move("grub2-tools", f"/usr/bin/grub2-{name}", f"/usr/lib/grub2/grub-{name}")
    shutil.rmtree(at("/usr/share/grub/default"), ignore_errors=True)
    for directory in ("/boot/grub2", "/boot/loader/entries", "/boot/efi/EFI"):
        at(directory).mkdir(parents=True, exist_ok=True)
    own("grub2-common", "/boot/grub2", "/boot/loader/entries", "/boot/loader")

    signed = "/usr/lib/shim/{}x64.efi.signed"
    own_efi, removable = "/boot/efi/EFI/fedora", "/boot/efi/EFI/BOOT"
    copy("grub2-efi-x64", "/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", f"{own_efi}/grubx64.efi")
    for source, target in (("shim", f"{own_efi}/shimx64.efi"), ("shim", f"{own_efi}/shim.efi"), ("mm", f"{own_efi}/mmx64.efi"),
                           ("shim", f"{removable}/BOOTX64.EFI"), ("fb", f"{removable}/fbx64.efi")):
        copy("shim-x64", signed.format(source), target)
    at(f"{own_efi}/BOOTX64.CSV").write_bytes(
        "shimx64.efi,Fedora,,This is the boot entry for Fedora\n".encode("utf-16"))
    own("shim-x64", f"{own_efi}/BOOTX64.CSV")
    shutil.rmtree(at("/usr/lib/grub/x86_64-efi-signed"))
    shutil.rmtree(at("/usr/lib/shim"))


def kernel():
    for path in list(at("/boot").glob("*-*")):
        name, version = path.name.split("-", 1)
        if name in ("vmlinuz", "config", "System.map"):
            move("kernel-core", f"/boot/{path.name}", f"/usr/lib/modules/{version}/{name}")
    for path in at("/usr/lib/modules").glob("*/modules.*"):
        own("kernel-core", "/" + str(path.relative_to(TREE)))
    # Debian's dracut puts the initramfs where only Debian's kernels look.
    own("systemd-udev", "/usr/lib/udev/hwdb.bin")


def certificates():
    bundle = "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"
    move("ca-certificates", "/etc/ssl/certs/ca-certificates.crt", bundle)
    link("ca-certificates", "/etc/ssl/certs/ca-certificates.crt", "../../pki/ca-trust/extracted/pem/tls-ca-bundle.pem")
    own("ca-certificates", *("/" + str(path.relative_to(TREE)) for path in at("/etc/ssl/certs").glob("*.[0p]*")))
    at("/usr/bin/update-ca-certificates").unlink()
    at("/etc/pki/ca-trust/source/anchors").mkdir(parents=True)
    own("ca-certificates", "/etc/pki/ca-trust/source/anchors")


def locale():
    subprocess.run(["chroot", TREE, "localedef", "--no-archive", "-i", "en_US", "-f", "UTF-8", "/usr/lib/locale/en_US.utf8"],
                   check=True)
    for path in at("/usr/lib/locale/en_US.utf8").rglob("*"):
        if path.is_file():
            own("glibc-langpack-en", "/" + str(path.relative_to(TREE)))


def release():
    for name in ("os-release", "issue", "issue.net"):
        at(f"/etc/{name}").unlink(missing_ok=True)
    link("fedora-release", "/etc/os-release", "../usr/lib/os-release")
    link("fedora-release", "/etc/system-release", "fedora-release")
    link("fedora-release", "/etc/redhat-release", "fedora-release")
    for directory in ("/etc/yum.repos.d", "/usr/lib/sysimage/rpm", "/etc/dnf/vars", "/etc/sysconfig", "/etc/pki/rpm-gpg"):
        at(directory).mkdir(parents=True, exist_ok=True)
    own("rpm", "/usr/lib/sysimage/rpm")


def added_files():
    for source in sorted(FILES.rglob("*")):
        if source.is_file():
            package, path = str(source.relative_to(FILES)).split("/", 1)
            at(path).parent.mkdir(parents=True, exist_ok=True)
            at(path).unlink(missing_ok=True)
            shutil.copyfile(source, at(path))
            program = source.read_bytes()[:2] == b"#!"
            at(path).chmod(0o755 if program else 0o644)
            own(package, f"/{path}")


alternatives()
one_directory_for_programs()
users()
units()
grub()
kernel()
certificates()
locale()
release()
added_files()
pathlib.Path(sys.argv[3]).write_text("\n".join(OWNERS) + "\n")
