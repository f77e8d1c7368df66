"""What the source tells: arguments that are never read, attributes drawn at random."""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator, Sized

from torch import Tensor, nn

from interfuse.doctor.findings import Finding
from interfuse.doctor.words import where_is

FOREIGN = ("torch", "transformers", "torchvision", "timm")
RANDOM = ("rand", "randn", "randint", "randperm", "normal_", "uniform_", "bernoulli", "multinomial", "choice", "random",
          "normal", "uniform", "permutation", "shuffle", "rand_like", "randn_like", "integers", "sample")  # fmt: skip


def reads_every_argument(module: nn.Module) -> list[Finding]:
    """Read every argument of `__init__` and `forward`, of the module and of its own parts."""
    findings: list[Finding] = []
    for cls in dict.fromkeys(type(part) for part in module.modules()):
        if cls.__module__.split(".")[0] in FOREIGN:
            continue
        for name in _unread(cls.__dict__.get("__init__")):
            evidence = f"__init__ takes {name!r} and never reads it"
            fix = "Use it, or take it away: whoever sets it believes that it acts."
            findings.append(
                Finding(
                    "ignored-setting", "warning", f"The setting {name!r} has no effect", evidence, where_is(cls), fix
                )
            )
        for name in _stored_only(cls, module):
            evidence = f"__init__ keeps {name!r} in an attribute of self that nothing of the module reads"
            fix = "Use it, or take it away: whoever sets it believes that it acts."
            title = f"The setting {name!r} has no effect"
            findings.append(Finding("ignored-setting", "warning", title, evidence, where_is(cls), fix))
        for name in _unread(cls.__dict__.get("forward")):
            evidence = f"forward takes {name!r} and never reads it"
            fix = "Use it, or take it away."
            title = f"The argument {name!r} has no effect"
            findings.append(Finding("ignored-argument", "warning", title, evidence, where_is(cls), fix))
    return findings


def _unread(function: object) -> list[str]:
    """List the arguments that a function's body never mentions."""
    tree = _parse(function)
    if tree is None or _is_stub(tree):
        return []
    uses = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store)}
    if "locals" in uses:
        return []
    signature = tree.args
    names = [argument.arg for argument in (*signature.posonlyargs, *signature.args, *signature.kwonlyargs)][1:]
    return [name for name in names if name not in uses and not name.startswith("_")]


def _stored_only(cls: type, module: nn.Module) -> list[str]:
    """List the arguments of `__init__` that are only kept in an attribute which no code of the module reads."""
    tree = _parse(cls.__dict__.get("__init__"))
    if tree is None or not tree.args.args:
        return []
    own = tree.args.args[0].arg
    attributes = {
        node.value.id: target.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name)
        for target in node.targets
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == own
    }
    reads = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    parameters = {argument.arg for argument in (*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs)}
    attributes = {
        name: attribute for name, attribute in attributes.items() if name in parameters and reads.count(name) == 1
    }
    if not attributes or {"locals", "vars", "getattr", "setattr"} & set(reads):
        return []
    names_read = _attributes_read(cls, module)
    return [name for name, attribute in attributes.items() if names_read is not None and attribute not in names_read]


def _attributes_read(cls: type, module: nn.Module) -> set[str] | None:
    """List the attributes that the sources of a module's own classes read; None where they may read any."""
    names: set[str] = set()
    classes = {base for part in module.modules() for base in type(part).__mro__} | set(cls.__mro__)
    for base in classes:
        if base is object or base.__module__.split(".")[0] in FOREIGN:
            continue
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        except (OSError, TypeError, SyntaxError):
            return None
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                names.add(node.attr)
            if isinstance(node, ast.Name) and node.id in ("getattr", "vars"):
                return None
    return None if "__dict__" in names else names


def _is_stub(tree: ast.FunctionDef) -> bool:
    body = [node for node in tree.body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    return all(isinstance(node, ast.Pass | ast.Raise) for node in body)


def _parse(function: object) -> ast.FunctionDef | None:
    if not callable(function):
        return None
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function)))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None
    return tree if isinstance(tree, ast.FunctionDef) else None


def drawn_at_random(cls: type, attribute: str) -> bool:
    """Return whether a class gives an attribute, or a buffer of that name, a value that it draws at random."""
    for base in cls.__mro__:
        for function in vars(base).values() if base not in (nn.Module, object) else ():
            tree = _parse(function) if inspect.isfunction(function) else None
            if tree is not None and _draws(tree, attribute):
                return True
    return False


def _draws(tree: ast.FunctionDef, attribute: str) -> bool:
    random_names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            draws = _calls_random(node.value) or any(
                isinstance(part, ast.Name) and part.id in random_names for part in ast.walk(node.value)
            )
            for target in node.targets:
                if draws and isinstance(target, ast.Name):
                    random_names.add(target.id)
                if draws and isinstance(target, ast.Attribute) and target.attr == attribute:
                    return True
        if isinstance(node, ast.Call) and _names_buffer(node, attribute):
            value = node.args[1] if len(node.args) > 1 else None
            if value is not None and (
                _calls_random(value)
                or any(isinstance(part, ast.Name) and part.id in random_names for part in ast.walk(value))
            ):
                return True
    return False


def _names_buffer(node: ast.Call, attribute: str) -> bool:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    first = node.args[0] if node.args else None
    return name == "register_buffer" and isinstance(first, ast.Constant) and first.value == attribute


def _calls_random(tree: ast.AST) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in RANDOM:
                return True
    return False


def arguments(module: nn.Module) -> dict[str, inspect.Parameter]:
    """List the arguments of forward; of a scripted module, those of its schema."""
    try:
        return dict(inspect.signature(module.forward).parameters)
    except ValueError:
        schema = getattr(module.forward, "schema", None)
        if schema is None:
            raise
    parameters: dict[str, inspect.Parameter] = {}
    for argument in list(schema.arguments)[1:]:
        default = argument.default_value if argument.has_default_value() else inspect.Parameter.empty
        parameters[argument.name] = inspect.Parameter(
            argument.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default
        )
    return parameters


def words_held(module: nn.Module) -> Iterator[tuple[str, str]]:
    """List the pairs of words that the module holds, as names or as keys: what a loop over a mapping may ask for."""
    own = [value for name, value in vars(module).items() if not name.startswith("_")]
    for value in (*own, *module.children()):
        keys = value.keys() if isinstance(value, dict | nn.ModuleDict | nn.ParameterDict) else value
        if not isinstance(keys, str | bytes) and isinstance(keys, Iterable) and not isinstance(keys, Tensor | Iterator):
            words = list(keys) if isinstance(keys, Sized) and len(keys) == 2 else []
            if words and all(isinstance(word, str) for word in words):
                yield words[0], words[1]


def keys_read(function: object) -> Iterator[str]:
    """List the constant keys that a function takes from mappings: `x["image"]`, `x.get("text")`."""
    tree = _parse(function)
    for node in ast.walk(tree) if tree is not None else ():
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        ):
            yield node.slice.value
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value
