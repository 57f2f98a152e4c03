//! Makes the disks with metadata: config drive and NoCloud.

use super::iso9660;
use super::nova::{self, EC2_VERSIONS, OPENSTACK_VERSIONS};
use super::{Instance, MAX_USER_DATA, MetadataError};

/// Makes a config drive: an ISO 9660 file system with the label `config-2` and the files that Nova puts there
/// (`metadata_for_config_drive` in `nova/api/metadata/base.py`).
///
/// # Errors
///
/// If the user data is longer than Nova accepts.
pub fn config_drive(instance: &Instance) -> Result<Vec<u8>, MetadataError> {
    disk("config-2", instance, &config_drive_files(instance))
}

/// Returns paths and contents of the files of a config drive.
fn config_drive_files(instance: &Instance) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    // By default, Nova skips the older versions (`config_drive_skip_versions`).
    for version in [EC2_VERSIONS[EC2_VERSIONS.len() - 1], "latest"] {
        let tree = nova::ec2(instance, version).unwrap_or_default();
        files.push((format!("ec2/{version}/meta-data.json"), tree.to_string().into_bytes()));
        if !instance.user_data.is_empty() {
            files.push((format!("ec2/{version}/user-data"), instance.user_data.clone()));
        }
    }
    for version in OPENSTACK_VERSIONS.into_iter().chain(["latest"]) {
        // Only the service has the password.
        let names = nova::openstack_files(instance, version).unwrap_or_default();
        for name in names.into_iter().filter(|name| *name != nova::PASSWORD) {
            let content = nova::openstack_file(instance, version, name).unwrap_or_default();
            files.push((format!("openstack/{version}/{name}"), content));
        }
    }
    files
}

/// Makes a NoCloud seed: an ISO 9660 file system with the label `cidata`
/// (<https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html>).
///
/// It has no network configuration, so cloud-init uses DHCP on the first network card.
///
/// # Errors
///
/// If the user data is longer than Nova accepts.
pub fn no_cloud(instance: &Instance) -> Result<Vec<u8>, MetadataError> {
    disk("cidata", instance, &no_cloud_files(instance))
}

/// Returns paths and contents of the files of a NoCloud seed.
fn no_cloud_files(instance: &Instance) -> Vec<(String, Vec<u8>)> {
    let meta_data = serde_json::json!({
        "instance-id": instance.uuid,
        "local-hostname": instance.hostname,
        "public-keys": [instance.public_key],
        "availability-zone": instance.availability_zone,
        "random_seed": instance.random_seed,
    });
    vec![
        // JSON is valid YAML.
        ("meta-data".to_owned(), meta_data.to_string().into_bytes()),
        // This file is required even if it is empty.
        ("user-data".to_owned(), instance.user_data.clone()),
    ]
}

/// Makes an ISO 9660 file system with a label, of files in its root directory. Names have at most 28 characters.
pub(crate) fn labelled(label: &str, files: &[(String, Vec<u8>)]) -> Vec<u8> {
    iso9660::image(label, files)
}

fn disk(label: &str, instance: &Instance, files: &[(String, Vec<u8>)]) -> Result<Vec<u8>, MetadataError> {
    if instance.user_data.len() > MAX_USER_DATA {
        return Err(MetadataError::UserDataTooLong { bytes: instance.user_data.len() });
    }
    Ok(iso9660::image(label, files))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use hadris_fs::sync::Volume;
    use hadris_fs::{MountOptions, OpenOptions};
    use hadris_iso::Namespace;
    use hadris_iso::sync::IsoFs;

    use super::super::instance::tests::instance;
    use super::*;

    /// Returns files as text, grouped by content.
    fn listing(files: Vec<(String, Vec<u8>)>) -> String {
        let mut seen: Vec<(String, Vec<String>)> = Vec::new();
        for (path, content) in files {
            let text = String::from_utf8(content).expect("text");
            match seen.iter_mut().find(|(other, _)| *other == text) {
                Some((_, paths)) => paths.push(path),
                None => seen.push((text, vec![path])),
            }
        }
        seen.into_iter().map(|(text, paths)| format!("{}\n{text}\n\n", paths.join("\n"))).collect()
    }

    #[test]
    fn a_config_drive_has_the_files_of_nova() {
        insta::assert_snapshot!(listing(config_drive_files(&instance())));
    }

    #[test]
    fn a_seed_has_the_files_of_no_cloud() {
        insta::assert_snapshot!(listing(no_cloud_files(&instance())));
        let silent = Instance { user_data: Vec::new(), ..instance() };
        assert!(no_cloud_files(&silent).contains(&("user-data".to_owned(), Vec::new())));
        assert!(!config_drive_files(&silent).iter().any(|(path, _)| path.contains("user")));
    }

    #[test]
    fn disks_hold_their_files_under_the_names_that_linux_reads() {
        let instance = instance();
        for (label, disk, files) in [
            ("config-2", config_drive(&instance), config_drive_files(&instance)),
            ("cidata", no_cloud(&instance), no_cloud_files(&instance)),
        ] {
            let disk = disk.expect("a disk");
            // The volume identifier of the primary volume descriptor (ECMA-119, 8.4.7).
            assert_eq!(String::from_utf8_lossy(&disk[0x8028..0x8048]).trim_end(), label);
            let iso = IsoFs::mount_namespace(disk, MountOptions::new(), Namespace::RockRidge).expect("ISO 9660");
            let volume = Volume::new(iso);
            for (path, content) in &files {
                let mut file = volume.open(path, OpenOptions::new().read()).expect("it is there");
                let mut found = Vec::new();
                file.read_to_end(&mut found).expect("it can be read");
                assert_eq!(&found, content, "{path}");
            }
        }
    }

    #[test]
    fn what_is_the_same_makes_the_same_disk() {
        assert_eq!(config_drive(&instance()).expect("a disk"), config_drive(&instance()).expect("a disk"));
    }

    #[test]
    fn user_data_that_no_cloud_takes_is_refused() {
        let instance = Instance { user_data: vec![b'x'; MAX_USER_DATA + 1], ..instance() };
        let error = config_drive(&instance).expect_err("too long");
        assert_eq!(error.to_string(), "the user data has 49150 bytes; OpenStack takes 49149 at most");
        let instance = Instance { user_data: vec![b'x'; MAX_USER_DATA], ..instance };
        assert!(no_cloud(&instance).expect("a disk").len() > MAX_USER_DATA);
    }
}
