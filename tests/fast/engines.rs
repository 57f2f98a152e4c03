//! Files for engines: each is read by a parser of its language, and the scripts in it are run with a program that writes down how it was called.

use std::process::Command;

use goldsmith::engines::{Engine, EngineError, Needs, Workflow};
use goldsmith::yaml::{Source, decode, parse};
use serde_json::Value;

use crate::matrix_support::words;

/// A word that every language has to quote.
const WORD: &str = "--param=motd=it's \"a\" $HOME \\ `id`\nsecond line: {{ x }}";

fn workflow() -> Workflow {
    crate::matrix_support::workflow(WORD)
}

fn file(engine: Engine) -> String {
    engine.write(&workflow(), None).unwrap_or_else(|error| panic!("{error}"))
}

/// The documents of a YAML file.
fn documents(text: &str) -> Vec<Value> {
    let document = |text: &str| {
        let source = Source::new("engine.yaml", text);
        let (node, errors) = parse(&source);
        assert!(errors.is_empty(), "{errors:?}\n{text}");
        let (value, errors) = decode(&mut node.expect("a document"), &source);
        assert!(errors.is_empty(), "{errors:?}\n{text}");
        value.expect("a value")
    };
    // What is above the first `---` may be comments alone, which are no document.
    let has_content = |text: &&str| text.lines().any(|line| !line.is_empty() && !line.starts_with('#'));
    text.split("\n---\n").filter(has_content).map(document).filter(|value: &Value| !value.is_null()).collect()
}

/// Runs a script with a `goldsmith` that ends with these codes, one after the other. Returns the code of the script, and the calls.
fn run(shell: &[&str], script: &str, codes: &str, env: &[(&str, &str)]) -> (Option<i32>, Vec<Vec<String>>) {
    let dir = tempfile::tempdir().expect("a directory");
    let program = "#!/bin/bash\nprintf '%s\\0' \"$@\" >>calls; printf '\\n\\0' >>calls\n\
                   read -r code rest <codes; echo \"$rest\" >codes; exit \"${code:-0}\"\n";
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("a file");
    write("goldsmith", program);
    write("codes", &format!("{codes}\n"));
    write("script", script);
    write("calls", "");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path().join("goldsmith"), mode).expect("a file");
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).arg("script").current_dir(dir.path()).env_clear().env("PATH", path);
    let output = command.envs(env.iter().copied()).output().expect("a shell");
    let calls = std::fs::read_to_string(dir.path().join("calls")).expect("text");
    let mut calls: Vec<Vec<String>> =
        calls.split("\n\0").map(|call| call.split_terminator('\0').map(str::to_owned).collect()).collect();
    calls.pop();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("syntax error") && !said.contains("not found"), "{said}\n{script}");
    (output.status.code(), calls)
}

/// What `goldsmith build` gets of a job.
fn job(run: &str, option: &str, number: &str) -> Vec<String> {
    words(&["build", "web.yaml", WORD, "--out=out", "--run", run, option, number])
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// Sees that a script tries again after exit code 11 and signals, three times at most, and after nothing else.
fn tries_again(shell: &[&str], script: &str, env: &[(&str, &str)], expected: &[String]) {
    for (codes, code, tries) in [
        ("0", 0, 1),
        ("11 137 0", 0, 3),
        ("11 11 11 0", 11, 3),
        ("2 0", 2, 1),
        ("10 0", 10, 1),
        ("12 0", 12, 1),
        ("13 0", 13, 1),
    ] {
        let (ended, calls) = run(shell, script, codes, env);
        assert_eq!((ended, calls.len()), (Some(code), tries), "{codes}: {script}");
        assert!(calls.iter().all(|call| call == expected), "{calls:?} instead of {expected:?}");
    }
}

#[test]
fn no_engine_gets_larger_pieces_than_it_takes() {
    let error = Engine::Github.write(&workflow(), Some(257)).expect_err("too many");
    assert!(matches!(error, EngineError::Piece { most: 256, .. }), "{error}");
    let pieces = workflow().pieces(1);
    assert_eq!(pieces.len(), 4);
    assert_eq!(workflow().pieces(256).len(), 3, "images on one stage are one piece");
    let text = Engine::Slurm.write(&workflow(), Some(1)).expect("a script");
    assert_eq!(text.matches("--array=0-0%2").count(), 4, "{text}");
}

#[test]
fn slurms_script_does_each_job() {
    let script = file(Engine::Slurm);
    for (words, option, number) in
        [("stage r1 1", "--stage", "1"), ("cells r1 0 1", "--cell", "1"), ("cells r1 2", "--cell", "2")]
    {
        let script = script.replacen("set -euo pipefail\n", &format!("set -euo pipefail\nset -- {words}\n"), 1);
        let task = if number == "1" { "1" } else { "0" };
        tries_again(&["bash"], &script, &[("SLURM_ARRAY_TASK_ID", task)], &job("r1", option, number));
    }
    let collect = script.replacen("set -euo pipefail\n", "set -euo pipefail\nset -- collect r1\n", 1);
    let (code, calls) = run(&["bash"], &collect, "0", &[]);
    assert_eq!((code, calls.len()), (Some(0), 2), "the images are published: {calls:?}");
    assert_eq!(calls[0], words(&["matrix", "collect", "web.yaml", WORD, "--out=out", "--run", "r1"]));
    assert_eq!(calls[1], words(&["publish", "web.yaml", WORD, "--out=out"]));
    let (code, calls) = run(&["bash"], &collect, "12", &[]);
    assert_eq!((code, calls.len()), (Some(12), 1), "nothing is published if an image has failed: {calls:?}");
}

#[test]
fn kubernetes_gets_a_job_for_each_stage_and_an_indexed_one_for_cells() {
    let jobs = documents(&file(Engine::Kubernetes));
    let names: Vec<&str> = jobs.iter().map(|job| text(&job["metadata"]["name"])).collect();
    let expected = ["stage-0", "stage-1", "cells-0", "cells-1", "cells-2", "collect"];
    assert_eq!(names, expected.map(|name| format!("g-web-0a1b2c-{name}")));
    let suspended: Vec<_> = jobs.iter().map(|job| job["spec"]["suspend"] == true).collect();
    assert_eq!(suspended, [false, true, true, true, false, true]);
    let script = |job: &Value| text(&job["spec"]["template"]["spec"]["containers"][0]["args"][0]).to_owned();
    let (_, calls) = run(&["sh", "-e"], &script(&jobs[1]), "0", &[]);
    assert_eq!(calls, [job("g-web-0a1b2c", "--stage", "1")]);
    let needs = Needs { mounts: false, ..workflow().needs };
    let upon_images = Workflow { needs, ..workflow() };
    for (workflow, host_users, may_mount) in [(workflow(), false, true), (upon_images, true, false)] {
        for job in documents(&Engine::Kubernetes.write(&workflow, None).expect("a file")) {
            let pod = &job["spec"]["template"]["spec"];
            assert_eq!(pod["hostUsers"].as_bool().unwrap_or(true), host_users, "{job}");
            let rights = &pod["containers"][0]["securityContext"];
            let added = rights["capabilities"]["add"].as_array().map_or(0, Vec::len);
            // Kubernetes refuses a container that has the right to mount and may not get further rights.
            assert_eq!((added == 1, rights["allowPrivilegeEscalation"] != false), (may_mount, may_mount), "{job}");
        }
    }
    let cells = &jobs[2]["spec"];
    assert_eq!((&cells["completions"], &cells["parallelism"]), (&2.into(), &2.into()));
    let (_, calls) = run(&["sh", "-e"], &script(&jobs[2]), "0", &[("JOB_COMPLETION_INDEX", "1")]);
    assert_eq!(calls, [job("g-web-0a1b2c", "--cell", "1")]);
    let codes = &cells["podFailurePolicy"]["rules"][1]["onExitCodes"];
    let retried = codes["values"].as_array().expect("codes");
    assert_eq!(codes["operator"], "NotIn");
    assert!(retried.contains(&11.into()) && ![2, 10, 12, 13].iter().any(|code| retried.contains(&Value::from(*code))));
    let (code, calls) = run(&["sh", "-e"], &script(&jobs[5]), "13", &[]);
    assert_eq!((code, calls.len()), (Some(13), 1), "nothing is published: {calls:?}");
}

#[test]
fn github_gets_a_matrix_that_runs_to_its_end() {
    let workflow = &documents(&file(Engine::Github))[0];
    let jobs = &workflow["jobs"];
    assert_eq!(jobs["stage-1"]["needs"], serde_json::json!(["stage-0"]));
    let cells = &jobs["cells-0"];
    assert_eq!(cells["needs"], serde_json::json!(["stage-1"]));
    assert_eq!(cells["strategy"]["fail-fast"], false);
    let last = serde_json::json!({ "cell": 1, "image": "b" });
    assert_eq!(cells["strategy"]["matrix"]["include"][1], last);
    let script = |job: &Value, name: &str| {
        let steps = job["steps"].as_array().expect("steps");
        text(&steps.iter().find(|step| step["name"] == name).expect("the step")["run"]).to_owned()
    };
    let env = [("GITHUB_RUN_ID", "42"), ("RUNNER_TEMP", "."), ("GITHUB_STEP_SUMMARY", "summary")];
    let build = script(cells, "Build the image").replace("${{ matrix.cell }}", "1");
    tries_again(&["bash", "-e"], &build, &env, &job("42", "--cell", "1"));
    let stage = script(&jobs["stage-1"], "Make the steps that images share");
    tries_again(&["bash", "-e"], &stage, &env, &job("42", "--stage", "1"));
    let collect = script(&jobs["collect"], "Collect the results");
    assert_eq!(run(&["bash", "-e"], &collect, "13", &env).0, Some(13), "its result is that of the job");
    assert_eq!(jobs["collect"]["if"], "always()");
    assert_eq!(jobs["collect"]["needs"].as_array().map(Vec::len), Some(5), "{jobs}");
}

#[test]
fn gitlab_gets_jobs_that_need_their_stage() {
    let pipeline = &documents(&file(Engine::Gitlab))[0];
    assert_eq!(pipeline["cells-0"]["needs"][0]["job"], "stage-1");
    assert_eq!(pipeline["cells-2"]["needs"], serde_json::json!([]));
    assert_eq!(pipeline["cells-0"]["parallel"]["matrix"][0]["CELL"], serde_json::json!(["0", "1"]));
    let retried = pipeline[".goldsmith"]["retry"]["exit_codes"].as_array().expect("codes");
    assert!(retried.contains(&11.into()) && !retried.contains(&12.into()));
    let env = [("CI_PIPELINE_ID", "7"), ("CELL", "1")];
    let (_, calls) = run(&["bash", "-e"], text(&pipeline["cells-0"]["script"][0]), "0", &env);
    assert_eq!(calls, [job("7", "--cell", "1")]);
    assert_eq!(pipeline["collect"]["artifacts"]["reports"]["junit"], "out/junit.xml");
}

#[test]
fn argo_gets_a_graph() {
    let workflow = &documents(&file(Engine::Argo))[0];
    let spec = &workflow["spec"];
    let tasks = spec["templates"][0]["dag"]["tasks"].as_array().expect("tasks");
    assert_eq!(tasks.len(), 5);
    assert_eq!(tasks[2]["dependencies"], serde_json::json!(["stage-1"]));
    assert_eq!(tasks[2]["withItems"], serde_json::json!([0, 1]));
    assert_eq!(spec["onExit"], "collect");
    let script = text(&spec["templates"][1]["container"]["args"][0]);
    let filled = script
        .replace("{{workflow.uid}}", "u-1")
        .replace("{{inputs.parameters.what}}", "--cell")
        .replace("{{inputs.parameters.number}}", "1");
    assert_eq!(run(&["sh", "-e"], &filled, "0", &[]).1, [job("u-1", "--cell", "1")]);
}

#[test]
fn tekton_gets_a_pipeline() {
    let spec = &documents(&file(Engine::Tekton))[0]["spec"]["pipelineSpec"];
    let tasks = spec["tasks"].as_array().expect("tasks");
    assert_eq!(tasks[2]["runAfter"], serde_json::json!(["stage-1"]));
    assert_eq!(tasks[2]["matrix"]["params"][0]["value"], serde_json::json!(["0", "1"]));
    let script = text(&tasks[2]["taskSpec"]["steps"][0]["script"]);
    tries_again(&["sh"], script, &[("RUN", "u-1"), ("CELL", "1")], &job("u-1", "--cell", "1"));
    let collect = text(&spec["finally"][0]["taskSpec"]["steps"][0]["script"]);
    let (code, calls) = run(&["sh"], collect, "12", &[("RUN", "u-1")]);
    assert_eq!((code, calls.len()), (Some(12), 1), "nothing is published if an image has failed: {calls:?}");
    assert_eq!(run(&["sh"], collect, "0", &[("RUN", "u-1")]).1.len(), 2);
}

#[test]
fn zuul_gets_jobs_and_their_order() {
    let all = documents(&file(Engine::Zuul));
    let list = all[0].as_array().expect("a list");
    let command = |name: &str| {
        let job = list.iter().find(|entry| entry["job"]["name"] == format!("g-web-0a1b2c-{name}"));
        text(&job.expect("the job")["job"]["vars"]["goldsmith_commands"][0]).to_owned()
    };
    let (_, calls) = run(&["sh", "-e"], &command("cell-1"), "0", &[]);
    assert_eq!(calls, [words(&["build", "web.yaml", WORD, "--out=out", "--cell", "1"])]);
    let jobs = &list.last().expect("a project")["project"]["periodic"]["jobs"];
    assert_eq!(jobs[2]["g-web-0a1b2c-cell-0"]["dependencies"], serde_json::json!(["g-web-0a1b2c-stage-1"]));
    assert_eq!(jobs[5], "g-web-0a1b2c-cell-3");
    assert_eq!(jobs[6]["g-web-0a1b2c-collect"]["dependencies"].as_array().map(Vec::len), Some(4));
}

/// Texts in single quotes of Groovy, read back.
fn groovy_texts(file: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let code: String =
        file.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect();
    let mut chars = code.chars();
    while chars.by_ref().any(|c| c == '\'') {
        let mut text = String::new();
        loop {
            match chars.next().expect("the text ends") {
                '\'' => break,
                '\\' => text.push(match chars.next().expect("an escape") {
                    'n' => '\n',
                    c => c,
                }),
                '\n' => panic!("a text of one line ends in it: {text}"),
                c => text.push(c),
            }
        }
        texts.push(text);
    }
    texts
}

#[test]
fn jenkins_gets_commands_that_a_shell_understands() {
    let file = file(Engine::Jenkins);
    let texts = groovy_texts(&file);
    let commands: Vec<_> = texts.iter().filter(|text| text.starts_with("goldsmith build")).collect();
    assert_eq!(commands.len(), 6, "{file}");
    let run_of = texts.iter().find(|text| text.starts_with(" --run")).expect("the run");
    let (_, calls) = run(&["sh", "-e"], &format!("{}{run_of}", commands[3]), "0", &[("BUILD_TAG", "jenkins-a b-1")]);
    assert_eq!(calls[0][..6], words(&["build", "web.yaml", WORD, "--out=out", "--cell", "1"]));
    assert_eq!(calls[0][6..], words(&["--run", "jenkins-a b-1"]));
    for (open, close) in [('{', '}'), ('(', ')'), ('[', ']')] {
        assert_eq!(file.matches(open).count(), file.matches(close).count(), "{open}{close}: {file}");
    }
}

#[test]
fn an_image_that_shares_nothing_and_no_target_are_fine_for_every_engine() {
    let mut alone = workflow();
    (alone.stages, alone.publish, alone.at_once) = (Vec::new(), Vec::new(), None);
    alone.cells.iter_mut().for_each(|cell| cell.after = None);
    for engine in Engine::ALL {
        let text = engine.write(&alone, None).unwrap_or_else(|error| panic!("{error}"));
        if ![Engine::Slurm, Engine::Jenkins].contains(&engine) {
            documents(&text);
        }
        assert!(!text.contains("<%") && !text.contains("<{"), "{text}");
    }
}

/// Commands of Goldsmith in a file: words up to the end of the line.
fn commands(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with(['#', '/']));
    let found = lines.filter_map(|line| line.find("goldsmith ").map(|at| (line, at)));
    let found = found.filter(|(line, at)| line[..*at].ends_with([' ', '\'']));
    found.map(|(line, at)| line[at..].split(['\'', '>']).next().unwrap_or_default().trim().to_owned()).collect()
}

#[test]
fn examples_for_ci_are_files_of_their_language_with_commands_that_exist() {
    let mut seen = Vec::new();
    let mut open = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/ci"))];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.ends_with(".yaml") {
            assert!(!documents(&text).is_empty(), "{name}");
        }
        for command in commands(&text).iter().filter(|_| !name.ends_with(".md")) {
            let read = goldsmith::cli::grammar().try_get_matches_from(command.split(' '));
            assert!(read.is_ok(), "{name}: {command}: {}", read.expect_err("it is wrong"));
            seen.push(command.clone());
        }
    }
    let count = |command: &str| seen.iter().filter(|seen| *seen == command).count();
    assert_eq!(count("goldsmith build --refresh --publish recipe.yaml"), 6, "each service builds: {seen:?}");
    assert!(count("goldsmith validate recipe.yaml") >= 4, "{seen:?}");
}
