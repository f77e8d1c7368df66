"""Further trainings of a study: fresh seeds of the designs of its verdict, or seeds until a contrast is sure."""

from interfuse.core.errors import ConfigError
from interfuse.core.tasks import LOWER_IS_BETTER
from interfuse.evaluation import best_on_validation, is_open, list_rivals
from interfuse.workflows.study.study import Study


def confirm(study: Study) -> Study:
    """Choose the fusion and the control that are trained again, with as many fresh seeds, and write them down.

    Args:
        study: whose trainings are all on disk.

    Raises:
        ConfigError: the study compares no fusion with a unimodal control, or has no validation rows.
    """
    if study.record.get("confirmation"):
        return study
    by, _, scores = study.score()
    rivals = list_rivals(scores, study.record["baseline"])
    if not all(rivals) or not all(scores[name].validation.size for names in rivals for name in names):
        raise ConfigError(
            "There is nothing to confirm: it takes a fusion, a unimodal control, and validation rows that have the "
            "metric to choose them by. Add text_only and image_only to the designs, or leave out confirm."
        )
    fusion, control = (best_on_validation(scores, names, by in LOWER_IS_BETTER) for names in rivals)
    seeds = [int(seed) + len(study.record["seeds"]) for seed in study.record["seeds"]]
    return study.keep(confirmation={"fusion": fusion, "control": control, "seeds": seeds})


def add_seeds(study: Study) -> Study | None:
    """Add seeds to the designs whose contrast is open and may yet be decided; None where there is none.

    Args:
        study: whose trainings are all on disk.
    """
    looks = study.looks()
    if looks is None:
        return None
    by, _, scores = study.score()
    comparison, baseline = study.judge(by, scores), study.record["baseline"]
    rows, rules, most = scores[baseline].test.shape[1], comparison.rules, looks.seeds[-1]
    designs = {
        result.design
        for result in comparison.results
        if result.delta and not scores[result.design].floor and is_open(result.delta, result.verdict, rules, rows, most)
    }
    designs |= {baseline} if designs else set()
    contrast, choice = comparison.contrast, comparison.choice
    if contrast and choice and is_open(contrast, rules.judge(contrast), rules, rows, most):
        designs |= set(choice.next_pair)
    counts = {name: len(study.seeds_of(name)) for name in designs}
    goal = looks.after(min(counts.values())) if counts else None
    if goal is None:
        return None
    first, added = len(study.record["seeds"]), dict(study.record.get("added", {}))
    added |= {name: goal - first for name, count in counts.items() if count < goal}
    return study.keep(added=added)
