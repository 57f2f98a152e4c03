//! Users without the administrator's role, and limits of what they may do.

use serde_json::json;

use super::{Admin, PASSWORD, TestCloud};

impl TestCloud {
    /// What the shell of a user has who is a mere member of the project.
    pub(crate) fn member(&self) -> Vec<(&'static str, String)> {
        let admin = Admin::new(&self.auth_url);
        let id = |kind: &str, name: &str| {
            let found = admin.get(&format!("/{kind}?name={name}"));
            found[kind][0]["id"].as_str().unwrap_or_else(|| panic!("{kind} {name}: {found}")).to_owned()
        };
        let user = admin.send("POST", "/users", &json!({ "user": { "name": "member", "password": PASSWORD } }));
        let user = user["user"]["id"].as_str().expect("an id");
        let path = format!("/projects/{}/users/{user}/roles/{}", id("projects", "admin"), id("roles", "member"));
        admin.send("PUT", &path, &json!({}));
        let mut variables = self.variables().to_vec();
        for (name, value) in &mut variables {
            if *name == "OS_USERNAME" {
                "member".clone_into(value);
            }
        }
        variables
    }

    /// Gives all projects these limits, by name, and lets Glance ask for them: see [`LIMITS`].
    pub(crate) fn limit(&self, limits: &[(&str, u64)]) {
        let admin = Admin::new(&self.auth_url);
        let service = admin.get("/services?type=image")["services"][0]["id"].clone();
        let limits: Vec<_> = limits
            .iter()
            .map(|(name, limit)| {
                json!({
                    "service_id": service, "region_id": "RegionOne", "resource_name": name, "default_limit": limit,
                })
            })
            .collect();
        admin.send("POST", "/registered_limits", &json!({ "registered_limits": limits }));
        let glance = admin.get("/users?name=glance")["users"][0]["id"].as_str().expect("the user").to_owned();
        let reader = admin.get("/roles?name=reader")["roles"][0]["id"].as_str().expect("the role").to_owned();
        admin.send("PUT", &format!("/system/users/{glance}/roles/{reader}"), &json!({}));
    }
}

/// What Glance must be told so that it asks Keystone for limits.
pub(crate) const LIMITS: &str = "[DEFAULT]
use_keystone_limits = True
[oslo_limit]
auth_url = AUTH_URL
auth_type = password
username = glance
user_domain_name = Default
password = not-so-secret
system_scope = all
endpoint_service_type = image
endpoint_region_name = RegionOne
";
