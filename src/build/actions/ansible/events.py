# Callback plugin of Ansible: prints one JSON object for each task and each result, which the build reads.
DOCUMENTATION = """
name: goldsmith_events
type: stdout
short_description: tell a Goldsmith build what happens
description:
  - Prints one line of JSON for each task and each result.
author: Goldsmith
"""

import json

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "goldsmith_events"

    def _tell(self, **facts):
        self._display.display(json.dumps({"goldsmith": facts}), screen_only=True)

    def _ended(self, result, kind):
        facts = result._result
        lines = []
        if "censored" in facts:
            message = "the task hides its output (no_log)"
        else:
            message = str(facts.get("msg") or "")
            for key in ("stderr", "stdout", "module_stderr", "module_stdout"):
                lines += str(facts.get(key) or "").splitlines()
        self._tell(result=kind, task=result._task.get_name(), message=message, lines=lines[-20:])

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._tell(task=task.get_name())

    def v2_playbook_on_handler_task_start(self, task):
        self._tell(task=task.get_name())

    def v2_runner_on_ok(self, result):
        self._ended(result, "changed" if result._result.get("changed") else "ok")

    def v2_runner_on_skipped(self, result):
        self._ended(result, "skipped")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._ended(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result):
        self._ended(result, "failed")
