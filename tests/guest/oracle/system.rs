//! Actions on the whole system: accounts and settings.

use fastrand::Rng;
use serde_json::json;

use super::action::Action;
use super::draw::one;

/// Draws actions of which a build has one each.
pub(super) fn actions(rng: &mut Rng) -> Vec<Action> {
    let shell = one(rng, &["/bin/sh", "/bin/bash", "/usr/sbin/nologin"]);
    let (uid, system) = (rng.u32(1500..1600), rng.bool());
    let kind = if system { "--system" } else { "--create-home" };
    let user = json!({
        "name": "someone", "groups": ["adm", "new-group"], "shell": shell, "uid": uid, "system": system, "sudo": true
    });
    let zone = one(rng, &["Europe/Paris", "UTC", "America/Argentina/Buenos_Aires"]);
    let host = one(rng, &["web", "db-1.example.org"]);
    let keys = ["ssh-ed25519 AAAA it's me", "ssh-rsa BBBB"];
    let has_keys = "mkdir -m 0700 /home/with-keys/.ssh
printf 'ssh-ed25519 AAAA it\\047s me\\nssh-rsa BBBB\\n' >/home/with-keys/.ssh/authorized_keys
chmod 0600 /home/with-keys/.ssh/authorized_keys
chown -R with-keys: /home/with-keys/.ssh\n";
    let add = |name: &str, more: &str| format!("useradd --shell {more} {name}\npasswd --lock {name} >/dev/null\n");
    // The base has no tzdata: a file stands for the zone.
    let data = format!("/usr/share/zoneinfo/{zone}");
    vec![
        Action {
            recipe: json!({ "write": { "path": data, "content": "TZif2" } }),
            meaning: format!("printf TZif2 | write {data} 0644 0:0\n"),
        },
        Action {
            recipe: json!({ "user": user }),
            meaning: format!(
                "groupadd --system new-group\n{}usermod --append --groups adm,new-group someone
printf 'someone ALL=(ALL) NOPASSWD:ALL\\n' | write /etc/sudoers.d/90-someone 0440 0:0\n",
                add("someone", &format!("{shell} --uid {uid} {kind}"))
            ),
        },
        Action {
            recipe: json!({ "user": { "name": "with-keys", "ssh-keys": keys } }),
            meaning: add("with-keys", "/bin/bash --create-home") + has_keys,
        },
        Action {
            recipe: json!({ "user": { "name": "with-password", "password-hash": "$6$salt$hash./" } }),
            meaning: format!(
                "{}usermod --password '$6$salt$hash./' with-password\n",
                add("with-password", "/bin/bash --create-home")
            ),
        },
        Action {
            recipe: json!({ "user": { "name": "games", "groups": ["adm"], "shell": "/bin/sh" } }),
            meaning:
                "usermod --shell /bin/sh games\nusermod --append --groups adm games\npasswd --lock games >/dev/null\n"
                    .to_owned(),
        },
        Action { recipe: json!({ "hostname": host }), meaning: format!("echo {host} >/etc/hostname\n") },
        Action {
            recipe: json!({ "timezone": zone }),
            meaning: format!("ln -sfn ../usr/share/zoneinfo/{zone} /etc/localtime\necho {zone} >/etc/timezone\n"),
        },
        Action {
            recipe: json!({ "locale": "C.UTF-8" }),
            meaning: "echo LANG=C.UTF-8 >/etc/default/locale\n".to_owned(),
        },
    ]
}
