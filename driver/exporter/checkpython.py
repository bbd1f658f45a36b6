"""Tells as JSON which of the driver classes in the arguments are not there, and why.

A class is looked for in the text of its module, which is not imported.
"""
import ast
import importlib.util
import json
import sys


def package(module):
    """The name under which a module is most likely published."""
    return module.partition(".")[0].replace("_", "-")


def fault(name):
    module, _, cls = name.rpartition(".")
    if not module:
        return "want the name of a class, package.module.Class"
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError as e:
        return f"no module {e.name}: pip install {package(e.name)}"
    except Exception as e:  # of the package above, which is imported
        return f"{module}: {type(e).__name__}: {e}"
    if spec is None:
        return f"no module {module}: pip install {package(module)}"
    source = spec.loader.get_source(module) if hasattr(spec.loader, "get_source") else None
    if source is None:
        return ""  # compiled: nothing to look into
    for node in ast.parse(source).body:
        names = [node.name] if isinstance(node, ast.ClassDef) else []
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [a.asname or a.name for a in node.names]
        if isinstance(node, ast.Assign):
            names = [t.id for t in node.targets if isinstance(t, ast.Name)]
        if cls in names or "*" in names:
            return ""
    return f"module {module} has no class {cls}"


print("\n" + json.dumps({name: fault(name) for name in sys.argv[1:]}))
