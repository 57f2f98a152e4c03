//! Chooses the profiles to boot an image with.

use super::super::{Profile, Subject};
use crate::recipe::Firmware;
use crate::recipe::verify::{BootKind, Verify};

/// Returns the profiles of a recipe or command, or the default ones.
pub fn profiles(verify: &Verify, subject: &Subject) -> Vec<Profile> {
    let default = || {
        let kinds = subject.firmware.iter().map(|firmware| match firmware {
            Firmware::Bios => BootKind::Bios,
            Firmware::Uefi if subject.secure_boot => BootKind::SecureBoot,
            Firmware::Uefi => BootKind::Uefi,
        });
        let kinds: Vec<_> = kinds.collect();
        // If no firmware was recognized, use the one that most machines have.
        if kinds.is_empty() { vec![BootKind::Bios] } else { kinds }
    };
    let kinds = verify.boot.clone().unwrap_or_else(default);
    let profiles = kinds
        .into_iter()
        .flat_map(|boot| verify.metadata.iter().map(move |metadata| Profile { boot, metadata: *metadata }));
    profiles.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::verify::Datasource;

    #[test]
    fn profiles_are_what_the_image_says_unless_the_recipe_says_more() {
        let told = |verify: &Verify, subject: &Subject| -> Vec<String> {
            profiles(verify, subject).iter().map(Profile::to_string).collect()
        };
        let both = Subject { firmware: vec![Firmware::Bios, Firmware::Uefi], ..Subject::default() };
        let signed = Subject { secure_boot: true, ..both.clone() };
        let default = Verify::default();
        assert_eq!(told(&default, &both), ["bios/config-drive", "uefi/config-drive"]);
        assert_eq!(told(&default, &signed), ["bios/config-drive", "secure-boot/config-drive"]);
        assert_eq!(told(&default, &Subject::default()), ["bios/config-drive"]);
        let verify = Verify {
            boot: Some(vec![BootKind::Uefi]),
            metadata: vec![Datasource::NoCloud, Datasource::OpenStack],
            ..default.clone()
        };
        assert_eq!(told(&verify, &both), ["uefi/nocloud", "uefi/openstack"]);
        assert_eq!(told(&Verify { boot: Some(Vec::new()), ..default }, &both), Vec::<String>::new());
    }
}
