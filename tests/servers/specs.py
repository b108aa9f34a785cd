"""The form of pod specs, and their environments: what ``servers.pods`` does, and nothing that it does not."""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Spec = dict[str, Any]
POD = {
    "initContainers": list,
    "containers": list,
    "volumes": list,
    "securityContext": dict,
    "restartPolicy": str,
    "automountServiceAccountToken": bool,
    "serviceAccountName": str,
    "terminationGracePeriodSeconds": int,
}
CONTAINER = {
    "name": str,
    "image": str,
    "command": list,
    "args": list,
    "env": list,
    "envFrom": list,
    "workingDir": str,
    "volumeMounts": list,
    "resources": dict,
    "securityContext": dict,
    "imagePullPolicy": str,
    "dependencies": list,
}
SHARED_SECURITY = {"runAsUser": int, "runAsGroup": int, "runAsNonRoot": bool, "seccompProfile": dict}
POD_SECURITY = {**SHARED_SECURITY, "fsGroup": int}
CONTAINER_SECURITY = {
    **SHARED_SECURITY,
    "allowPrivilegeEscalation": bool,
    "readOnlyRootFilesystem": bool,
    "capabilities": dict,
}
VOLUME = {"name": str, "emptyDir": dict, "secret": dict, "configMap": dict}
SOURCES = {
    "emptyDir": {"sizeLimit": str},
    "secret": {"secretName": str, "defaultMode": int},
    "configMap": {"name": str, "defaultMode": int},
}
MOUNT = {"name": str, "mountPath": str, "readOnly": bool}
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123, a label
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


class PodError(AssertionError):
    """A pod spec that is malformed, or asks for what is not done here."""


def check_pod(spec: Spec) -> None:
    """Refuse a pod whose form is wrong, or that has a field that is not known here.

    :raises PodError: with the place.
    """
    fields(spec, POD, "pod", required=("containers",))
    if spec.get("restartPolicy") != "Never":
        raise PodError(f"pod.restartPolicy is {spec.get('restartPolicy')!r}; only 'Never' is done here")
    _check_security(spec.get("securityContext", {}), POD_SECURITY, "pod")
    volumes = spec.get("volumes", [])
    for volume in volumes:
        _check_volume(volume)
    names = _names(volumes, "volumes")
    for container in spec.get("initContainers", []):
        if "dependencies" in container:
            raise PodError(f"init container {container.get('name')!r}: dependencies: not done here")
    containers = [*spec.get("initContainers", []), *spec["containers"]]
    for container in containers:
        _check_container(container, names)
    _names(containers, "containers")
    _check_order(spec["containers"])


def environment_of(container: Spec, objects: Mapping[str, Mapping[str, Mapping[str, str]]]) -> dict[str, str]:
    """The variables of a container: ``envFrom`` in its order, then ``env``, which goes before it.

    :param objects: the cluster's secrets and config maps: ``secret`` and ``configMap``, each by name.
    """
    place = f"container {container['name']!r}"
    environment: dict[str, str] = {}
    for source in container.get("envFrom", []):
        fields(source, {"secretRef": dict, "configMapRef": dict}, f"{place}.envFrom", one=True)
        ((kind, reference),) = source.items()
        fields(reference, {"name": str}, f"{place}.envFrom.{kind}", required=("name",))
        for name, value in object_of(objects, kind.removesuffix("Ref"), reference["name"]).items():
            environment[_variable(name, place)] = value
    for variable in container.get("env", []):
        known = {"name": str, "value": str, "valueFrom": dict}
        fields(variable, known, f"{place}.env", required=("name",))
        name = _variable(variable["name"], place)
        if "value" in variable and "valueFrom" in variable:
            raise PodError(f"{place}: {name} has both value and valueFrom")
        if "valueFrom" in variable:
            environment[name] = _value_from(variable["valueFrom"], objects, f"{place}: {name}")
        else:
            environment[name] = expand(variable.get("value", ""), environment)
    return environment


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` as Kubernetes does: one that is not set stays as it is, ``$$`` stands for ``$``."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else environment.get(found[1], found[0])

    return REFERENCE.sub(value, text)


def object_of(
    objects: Mapping[str, Mapping[str, Mapping[str, str]]], kind: str, name: str
) -> Mapping[str, str]:
    """A secret or a config map of the cluster.

    :raises PodError: it has none of that name.
    """
    if name not in objects[kind]:
        raise PodError(f"there is no {kind} {name!r} in this cluster")
    return objects[kind][name]


def fields(
    values: Any,
    known: Mapping[str, type],
    place: str,
    *,
    required: Iterable[str] = (),
    one: bool = False,
) -> None:
    """Refuse what is no object, has a field that is not known, of another type, or lacks a required one.

    :param one: exactly one of the known fields must be there.
    """
    if not isinstance(values, dict):
        raise PodError(f"{place} is no object")
    if unknown := sorted(set(values) - set(known)):
        raise PodError(f"{place}: {', '.join(unknown)}: not done here")
    for name, value in values.items():
        if type(value) is not known[name]:
            raise PodError(f"{place}.{name} must be {known[name].__name__}, not {value!r}")
    if missing := sorted(set(required) - set(values)):
        raise PodError(f"{place}: {', '.join(missing)}: missing")
    if one and len(values) != 1:
        raise PodError(f"{place} must have exactly one of {', '.join(known)}")


def _check_container(container: Spec, volumes: Iterable[str]) -> None:
    place = f"container {container.get('name')!r}"
    fields(container, CONTAINER, place, required=("name", "image"))
    for part in ("command", "args", "dependencies"):
        if not all(isinstance(word, str) for word in container.get(part, [])):
            raise PodError(f'{place}.{part}: words must be text, such as "1" for 1')
    _check_mounts(container.get("volumeMounts", []), volumes, place)
    _check_security(container.get("securityContext", {}), CONTAINER_SECURITY, place)
    _check_resources(container.get("resources", {}), place)


def _check_mounts(mounts: list[Spec], volumes: Iterable[str], place: str) -> None:
    targets = []
    for mount in mounts:
        fields(mount, MOUNT, f"{place}.volumeMounts", required=("name", "mountPath"))
        if mount["name"] not in volumes:
            raise PodError(f"{place} mounts {mount['name']!r}, and the pod has no such volume")
        if not re.fullmatch(r"/[^:]+", mount["mountPath"]):
            raise PodError(f"{place}: {mount['mountPath']!r} is no absolute path")
        targets.append(mount["mountPath"])
    if len(targets) > len(set(targets)):
        raise PodError(f"{place} mounts two volumes at one path")


def _check_volume(volume: Spec) -> None:
    fields(volume, VOLUME, "volume", required=("name",))
    name = volume["name"]
    kinds = [kind for kind in SOURCES if kind in volume]
    if len(kinds) != 1:
        raise PodError(f"volume {name!r} must have exactly one of {', '.join(SOURCES)}")
    (kind,) = kinds
    required = {"secret": ["secretName"], "configMap": ["name"]}.get(kind, [])
    fields(volume[kind], SOURCES[kind], f"volume {name!r}.{kind}", required=required)
    if "sizeLimit" in volume[kind]:
        _check_quantity(volume[kind]["sizeLimit"], f"volume {name!r}.sizeLimit")


def _check_order(containers: list[Spec]) -> None:
    after = {container["name"]: container.get("dependencies", []) for container in containers}
    if not after:
        raise PodError("a pod needs a container")
    for name, others in after.items():
        if unknown := sorted(set(others) - set(after)):
            raise PodError(f"container {name!r} depends on {', '.join(unknown)}, which the pod does not have")
    try:
        TopologicalSorter(after).prepare()
    except CycleError as error:
        raise PodError(f"containers wait for one another: {error.args[1]}") from None


def _check_security(security: Spec, known: Mapping[str, type], place: str) -> None:
    fields(security, known, f"{place}.securityContext")
    if "runAsGroup" in security and "runAsUser" not in security:
        raise PodError(f"{place}.securityContext: runAsGroup without runAsUser: not done here")
    if security.get("seccompProfile", {"type": "RuntimeDefault"}) != {"type": "RuntimeDefault"}:
        raise PodError(f"{place}.securityContext.seccompProfile: only RuntimeDefault is done here")
    fields(security.get("capabilities", {}), {"drop": list}, f"{place}.securityContext.capabilities")


def _check_resources(resources: Spec, place: str) -> None:
    fields(resources, {"requests": dict, "limits": dict}, f"{place}.resources")
    for amounts in resources.values():
        for name, amount in amounts.items():
            if name not in ("cpu", "memory", "ephemeral-storage") and "/" not in name:
                raise PodError(f"{place}.resources: {name!r} is no resource")
            _check_quantity(amount, f"{place}.resources: {name}")


def _check_quantity(amount: object, place: str) -> None:
    whole = type(amount) in (int, float)
    if not (whole or (isinstance(amount, str) and QUANTITY.fullmatch(amount))):
        raise PodError(f"{place}: {amount!r} is no quantity, such as 500m or 2Gi")


def _names(things: list[Spec], place: str) -> list[str]:
    names = [thing["name"] for thing in things]
    if bad := [name for name in names if not NAME.fullmatch(name)]:
        raise PodError(f"{place}: {bad[0]!r} is no name: at most 63 of a-z, 0-9 and -")
    if len(names) > len(set(names)):
        raise PodError(f"{place}: a name is there twice")
    return names


def _value_from(source: Spec, objects: Mapping[str, Mapping[str, Mapping[str, str]]], place: str) -> str:
    fields(source, {"secretKeyRef": dict, "configMapKeyRef": dict}, f"{place}.valueFrom", one=True)
    ((kind, reference),) = source.items()
    fields(reference, {"name": str, "key": str}, f"{place}.{kind}", required=("name", "key"))
    values = object_of(objects, kind.removesuffix("KeyRef"), reference["name"])
    if reference["key"] not in values:
        raise PodError(f"{place}: {reference['name']!r} has no key {reference['key']!r}")
    return values[reference["key"]]


def _variable(name: str, place: str) -> str:
    if not VARIABLE.fullmatch(name):
        raise PodError(f"{place}: {name!r} is no name of a variable")
    return name
