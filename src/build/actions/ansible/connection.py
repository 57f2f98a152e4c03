# Connection plugin of Ansible: runs commands in the guest of a Goldsmith build. The protocol is described in src/build/service.rs.
DOCUMENTATION = """
name: goldsmith
short_description: run tasks in the guest of a Goldsmith build
description:
  - Speaks with the running build over the socket that the variable GOLDSMITH_SOCKET names.
author: Goldsmith
options:
  remote_user:
    description: User in the guest, which is always root.
    default: root
    vars:
      - name: ansible_user
"""

import base64
import json
import os
import socket

from ansible.errors import AnsibleConnectionFailure, AnsibleFileNotFound
from ansible.plugins.connection import ConnectionBase


class Connection(ConnectionBase):
    transport = "goldsmith"
    has_pipelining = True

    def _connect(self):
        if not self._connected:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.connect(os.environ["GOLDSMITH_SOCKET"])
            self._stream = self._socket.makefile("rwb")
            self._connected = True
        return self

    def _ask(self, request):
        self._connect()
        self._stream.write(json.dumps(request).encode() + b"\n")
        self._stream.flush()
        line = self._stream.readline()
        if not line:
            raise AnsibleConnectionFailure("the build has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise AnsibleConnectionFailure(answer["error"])
        return answer

    def exec_command(self, cmd, in_data=None, sudoable=True):
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        data = in_data.encode() if isinstance(in_data, str) else in_data or b""
        answer = self._ask({"run": {"command": cmd, "input": base64.b64encode(data).decode()}})
        return answer["status"], base64.b64decode(answer["output"]), base64.b64decode(answer["errors"])

    def put_file(self, in_path, out_path):
        super().put_file(in_path, out_path)
        if not os.path.exists(in_path):
            raise AnsibleFileNotFound(f"no such file: {in_path}")
        self._ask({"put": {"file": os.path.abspath(in_path), "path": out_path}})

    def fetch_file(self, in_path, out_path):
        super().fetch_file(in_path, out_path)
        self._ask({"get": {"path": in_path, "file": os.path.abspath(out_path)}})

    def close(self):
        if self._connected:
            self._stream.close()
            self._socket.close()
            self._connected = False
