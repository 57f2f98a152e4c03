//! `goldsmith explain`: what people ask about a recipe, a check and an exit code.

use super::sandbox::{BASE, Sandbox, assert_session};

fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        "web.yaml",
        format!(
            "name: web\n{BASE}include: [common/hardening.yaml]\nelements:\n  - sshd\n  - greeting: {{ text: hi }}\npackages:\n  - nginx-light\n\
             secrets: {{ token: {{ env: TOKEN }} }}\nsteps:\n  configure:\n    - write: {{ path: /etc/motd, content: hello }}\n    \
             - run: {{ inline: \"true\", args: [a], env: {{ MODE: fast }}, secrets: [token], network: true }}\n  \
             clean:\n    - remove: [/var/log/*.log]\nchecks:\n  - path-exists: /etc/motd\n"
        ),
    );
    sandbox.write("common/hardening.yaml", "steps:\n  configure:\n    - write: { path: /etc/issue, content: \"\" }\n");
    sandbox.write(
        "elements/greeting/element.yaml",
        "name: greeting\ndescription: Says hello\nparams:\n  text: { type: string }\npackages: { all: [figlet] }\n\
         configure:\n  - copy: { source: files, path: /usr/share/greeting }\n",
    );
    sandbox.write("elements/greeting/files/one", "1");
    sandbox
}

#[test]
fn what_a_recipe_brings_is_explained() {
    let sandbox = project();
    assert_session!(
        sandbox,
        sandbox.session(&[
            "explain web.yaml configure web",
            "explain web.yaml greeting",
            "explain web.yaml hardening",
            "explain web.yaml /etc/motd",
            "explain web.yaml /usr/share/greeting/one",
            "explain web.yaml /var/log/dpkg.log",
            "explain web.yaml figlet",
            "explain web.yaml nginx-light",
            "explain web.yaml web/1",
            "explain web.yaml root-last",
            "explain 13",
        ])
    );
    for what in ["configure web", "/etc/motd", "figlet", "web/1"] {
        let json = sandbox.run(&format!("explain --json web.yaml {what}")).last_json();
        assert_eq!(json["name"], what, "{json}");
    }
    let steps = sandbox.run("explain --json web.yaml web").last_json();
    assert_eq!(steps.as_array().map(Vec::len), Some(2), "{steps}");
}

#[test]
fn what_is_not_known_gets_a_suggestion() {
    let sandbox = project();
    for (words, told) in [
        ("explain web.yaml figlte", "did you mean `figlet`?"),
        ("explain web.yaml nothing-like-it", "`goldsmith plan web.yaml` lists the steps"),
        ("explain web.yaml /no/such", "no action of the recipe or its elements names /no/such"),
        ("explain web.yaml", "what of it is meant?"),
        ("explain root-lst", "did you mean `root-last`?"),
        ("explain 77", "no command of Goldsmith ends with exit code 77"),
        ("explain web/1", "steps, files, packages and checks of elements need the recipe first"),
    ] {
        let ran = sandbox.run(words);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains(told), "{words}: {ran:?}");
    }
    assert_eq!(sandbox.run("explain wbe.yaml sshd").code, Some(10));
}

#[test]
fn every_check_and_every_exit_code_is_explained() {
    let sandbox = Sandbox::new();
    let rules = sandbox.run("verify --list --json").last_json();
    for rule in rules.as_array().expect("a list") {
        let id = rule["id"].as_str().expect("a name");
        let ran = sandbox.run(&format!("explain {id}"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let mend = rule["mend"].as_str().expect("a text");
        assert!(ran.stdout.contains(mend), "{ran:?}");
    }
    for code in [0, 1, 2, 10, 11, 12, 13, 14, 130] {
        assert_eq!(sandbox.run(&format!("explain {code}")).code, Some(0), "{code}");
    }
}
