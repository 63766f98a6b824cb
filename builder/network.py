"""The network settings of pip and uv as one: what one of the two is not told, the other's settings say.

pip is asked with `pip config list`, which knows every file and variable that counts. uv has its variables and
`uv.toml`. Runs on Python 3.9, since the kit's environment is made with these settings.
"""

import ast
import functools
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional
from urllib.parse import urlsplit, urlunsplit

from builder import paths

HELP = """\
network:
  Package index, extra indexes, certificates and proxy are read from pip's settings (pip.conf, PIP_*) and
  from uv's (uv.toml, UV_*) and hold for both, and for the Debian mirror; uv's own come first. An extra index:
  UV_INDEX=URL or PIP_EXTRA_INDEX_URL=URL. A CA of the system's store counts; SSL_CERT_FILE names another.
  Proxies: HTTP_PROXY, HTTPS_PROXY, NO_PROXY. Debian: DEBIAN_MIRROR, DEBIAN_SECURITY_MIRROR, DEBIAN_SNAPSHOT.
"""
"""For `build.py --help`."""

STARTED_WITH = "LLAMA_STACK_BUILD_STARTED_WITH"
"""The Python that build.py was started with: its pip is the one whose settings count."""

_CERTIFICATES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Red Hat
    "/etc/ssl/ca-bundle.pem",  # SUSE
)
_AGE_IN_TOML = re.compile(r"^\s*(pip\.)?exclude-newer\s*=", re.MULTILINE)
_DEFAULT_INDEX_IN_TOML = re.compile(
    r"^\s*(default\s*=\s*true|(pip\.)?(default-index|index-url|no-index)\s*=)", re.MULTILINE
)


def has_extra_indexes() -> bool:
    """Whether pip is told of places besides its index."""
    told = pip().settings
    return bool(told.get("extra-index-url") or told.get("find-links"))


def limits_age(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether uv is told which releases are too young to be taken."""
    files = _uv_files(environment)
    return bool(environment.get("UV_EXCLUDE_NEWER")) or any(
        _AGE_IN_TOML.search(file.read_text(encoding="utf-8")) for file in files
    )


def for_uv(environment: Mapping[str, str] = os.environ, *, extra_indexes: bool = True) -> Dict[str, str]:
    """The variables that uv needs beside `environment` to know what pip knows.

    Indexes are taken from pip unless uv has a default index of its own. Extra indexes of pip's are searched as pip
    does, for the best version in all of them: uv alone would take the first that has the package. Without
    `extra_indexes` they, and pip's folders of wheels, are left out.
    """
    told = pip().settings
    found = {}
    if not _uv_has_an_index(environment):
        found["UV_DEFAULT_INDEX"] = told.get("index-url", "")
        found["UV_NO_INDEX"] = told.get("no-index", "")
        extra = told.get("extra-index-url", "").split()
        if extra and extra_indexes:
            found["UV_INDEX"] = " ".join([*environment.get("UV_INDEX", "").split(), *extra])
            found["UV_INDEX_STRATEGY"] = environment.get("UV_INDEX_STRATEGY", "unsafe-best-match")
        links = [link for link in told.get("find-links", "").split() if _is_there(link)]
        if links and extra_indexes:
            found["UV_FIND_LINKS"] = ",".join([*environment.get("UV_FIND_LINKS", "").split(","), *links]).strip(",")
    hosts = told.get("trusted-host", "").split()
    if hosts:
        found["UV_INSECURE_HOST"] = " ".join([*environment.get("UV_INSECURE_HOST", "").split(), *hosts])
    if "UV_KEYRING_PROVIDER" not in environment and told.get("keyring-provider") == "subprocess":
        found["UV_KEYRING_PROVIDER"] = "subprocess"
    if "SSL_CLIENT_CERT" not in environment:
        found["SSL_CLIENT_CERT"] = told.get("client-cert", "")
    bundle = certificates(environment)
    if bundle:
        found["SSL_CERT_FILE"] = bundle
    elif not ({"SSL_CERT_DIR", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS"} & set(environment)) and _system_has_certificates():
        found["UV_SYSTEM_CERTS"] = "1"
    address = proxy(environment)
    if address:
        found.update({"HTTP_PROXY": address, "HTTPS_PROXY": address})
    return {name: value for name, value in found.items() if value}


def for_pip(environment: Mapping[str, str] = os.environ) -> Dict[str, str]:
    """The variables that pip needs beside `environment` to know what uv knows, and the system's certificates."""
    told = pip().settings
    indexes = environment.get("UV_INDEX") or environment.get("UV_EXTRA_INDEX_URL") or ""
    of_uv = {
        "index-url": environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL") or "",
        "extra-index-url": " ".join(index.rpartition("=")[2] for index in indexes.split()),
        "find-links": environment.get("UV_FIND_LINKS", "").replace(",", " "),
        "trusted-host": environment.get("UV_INSECURE_HOST", ""),
    }
    if not ("cert" in told or environment.get("REQUESTS_CA_BUNDLE") or environment.get("CURL_CA_BUNDLE")):
        bundle = certificates(environment) or (sys.platform.startswith("linux") and system_bundle())
        of_uv["cert"] = bundle or ""
    return {
        "PIP_" + name.replace("-", "_").upper(): value for name, value in of_uv.items() if value and name not in told
    }


def certificates(environment: Mapping[str, str] = os.environ) -> Optional[str]:
    """The file of CA certificates that a variable or pip's settings name, if any."""
    for name in _CERTIFICATES:
        value = pip().settings.get("cert") if name == "PIP_CERT" else environment.get(name)
        if value:
            return value
    return None


def proxy(environment: Mapping[str, str] = os.environ) -> Optional[str]:
    """The proxy of pip's settings, if no variable names one."""
    if any(environment.get(name) or environment.get(name.lower()) for name in _PROXIES):
        return None
    address = pip().settings.get("proxy")
    return address if not address or "://" in address else "http://" + address


def indexes(environment: Mapping[str, str] = os.environ) -> Dict[str, str]:
    """Everything that decides which index a package comes from, by name, without passwords."""
    known = {**environment, **for_uv(environment)}
    names = ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"]
    names += ["UV_FIND_LINKS", "UV_NO_INDEX", "UV_INDEX_STRATEGY"]
    found = {name: " ".join(map(without_password, known[name].split())) for name in names if known.get(name)}
    for file in _uv_files(environment):
        found[str(file)] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


class Pip(NamedTuple):
    """A pip and its effective settings for `pip install`, by the names of its options."""

    command: List[str]
    """How to start it; empty where there is none."""
    settings: Dict[str, str]


@functools.lru_cache(maxsize=None)
def pip() -> Pip:
    """The pip of the Python that started build.py, else of the Python below this one, else the one on PATH."""
    below = str(Path(sys.base_prefix, "python.exe" if os.name == "nt" else "bin/python3"))
    pythons = dict.fromkeys([os.environ.get(STARTED_WITH) or below, below])
    for command in [*([python, "-m", "pip"] for python in pythons), ["pip"]]:
        try:
            done = subprocess.run([*command, "config", "list"], capture_output=True, text=True, check=False)
        except OSError:
            continue
        if done.returncode == 0:
            return Pip(command, _merged(done.stdout))
    return Pip([], {})


def _merged(listing: str) -> Dict[str, str]:
    """The values of `pip config list`, whose lines are `section.option='value'`; variables come before files."""
    sections: Dict[str, Dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listing.splitlines():
        name, equals, value = line.partition("=")
        section, _, option = name.rpartition(".")
        if equals and section in sections:
            sections[section][option] = ast.literal_eval(value)
    return {**sections["global"], **sections["install"], **sections[":env:"]}


def _uv_has_an_index(environment: Mapping[str, str]) -> bool:
    if any(environment.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_NO_INDEX")):
        return True
    return any(_DEFAULT_INDEX_IN_TOML.search(file.read_text(encoding="utf-8")) for file in _uv_files(environment))


def _uv_files(environment: Mapping[str, str]) -> List[Path]:
    """The configuration files that uv reads; pyproject.toml is the kit's own."""
    if environment.get("UV_NO_CONFIG"):
        return []
    if environment.get("UV_CONFIG_FILE"):
        places = [Path(environment["UV_CONFIG_FILE"])]
    else:
        here = Path.cwd()
        folders = (environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
        home = paths.home()
        user = environment.get("XDG_CONFIG_HOME") or (home and str(home / ".config"))
        places = [folder / "uv.toml" for folder in (here, *here.parents)]
        places += [Path(folder, "uv", "uv.toml") for folder in (user, *folders, "/etc") if folder]
    return [place for place in dict.fromkeys(places) if os.path.isfile(place)]


def _is_there(link: str) -> bool:
    """Whether a place for wheels exists, if it is a folder here: pip ignores a missing one, uv fails."""
    path = urlsplit(link).path if link.startswith("file:") else link
    return "://" in path or Path(path).exists()


def without_password(index: str) -> str:
    """An address, or `name=address`, as messages may show it: without an account or a query: either may be secret."""
    name, equals, address = index.rpartition("=") if "=" in index.partition("://")[0] else ("", "", index)
    parts = urlsplit(address)
    return name + equals + urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))


def system_bundle() -> Optional[str]:
    """The file that holds the CA certificates of this Linux, if it has one."""
    return next((file for file in _SYSTEM_BUNDLES if os.access(file, os.R_OK)), None)


def _system_has_certificates() -> bool:
    """Whether the system's store is worth to be named: a small container has none, and uv brings its own."""
    return not sys.platform.startswith("linux") or system_bundle() is not None
