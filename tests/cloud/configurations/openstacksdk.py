"""Reads configurations as openstacksdk does: a list of cases comes in, what each comes to goes out."""

import importlib
import json
import logging
import os
import sys
import warnings

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

from keystoneauth1.identity import generic, v3  # noqa: E402
from openstack.config import loader  # noqa: E402


class Seen(Exception):
    pass


class Session:
    """Takes the request for a token instead of Keystone."""

    def post(self, url, json=None, **_):
        raise Seen(json)


def request(plugin, url):
    if isinstance(plugin, generic.base.BaseGenericPlugin):
        plugin = plugin.create_plugin(None, (3, 0), url)
    assert isinstance(plugin, v3.base.BaseAuth), plugin
    try:
        plugin.get_auth_ref(Session())
    except Seen as seen:
        body = json.loads(json.dumps(seen.args[0]))
    if body["auth"]["identity"]["methods"] == ["application_credential"]:
        # It has its own, and Keystone refuses another.
        body["auth"].pop("scope", None)
    # What the command-line client adds.
    user = body["auth"]["identity"].get("password", {}).get("user", {})
    project = body["auth"].get("scope", {}).get("project", {})
    for part in (user, project):
        if "name" in part:
            part.setdefault("domain", {"id": "default"})
    return body


def versioned(url):
    """Keystone's address as plugins of version 3 use it; that of version 2 has another beside it."""
    url = url.rstrip("/").removesuffix("/v2.0")
    return url if url.endswith("v3") else f"{url}/v3"


def resolved(case):
    os.environ.clear()
    os.environ.update(case["environment"])
    os.chdir(case["here"])
    # The search path is made when the module is loaded.
    importlib.reload(loader)
    region = loader.OpenStackConfig().get_one(case["cloud"])
    auth = region.config["auth"]
    verify, cert = region.get_requests_verify_args()
    cert, key = cert if isinstance(cert, tuple) else (cert, None)
    timeout = region.config.get("api_timeout")
    return {
        "name": region.name,
        "auth_url": versioned(auth["auth_url"]),
        "request": request(region.get_auth(), auth["auth_url"]),
        "region": region.config["region_name"] or None,
        "interface": region.get_interface("image").removesuffix("URL"),
        "verify": True if verify is None else verify,
        "cert": cert,
        "key": key,
        "image": region.get_endpoint("image"),
        "key_manager": region.get_endpoint("key-manager"),
        "timeout": 60.0 if timeout is None else float(timeout),
    }


results = []
for case in json.load(sys.stdin):
    try:
        results.append(resolved(case))
    except Exception as error:
        results.append({"error": f"{type(error).__name__}: {error}"})
json.dump(results, sys.stdout)
