"""What the intervals of a study are over, and what they take for given."""


def say_scope(seeds: int, folds: int = 1, resplit: int | None = None) -> str:
    """Return the sentence on what every interval of the study speaks of.

    Args:
        seeds: trainings of a design on one split.
        folds: of a cross-validation; 1: none.
        resplit: how many times the rows were split anew; none: they were split once.
    """
    if resplit:
        return (
            f"Every interval is over splits: the rows were split anew {resplit} times, each with a seed of its own. It "
            "speaks of other rows and new trainings, and allows for the rows that the splits share."
        )
    if folds > 1:
        over = "rows, seeds and the training sets" if seeds > 1 else "rows and the training sets"
        return (
            f"Every interval is over {over} of {folds} folds. It speaks of other rows and, as far as folds show it, of "
            "other training sets."
        )
    over, limit = ("test rows and seeds", "") if seeds > 1 else ("test rows", ", nor of the next training")
    return (
        f"Every interval is over {over}, for this one split: it speaks of other test rows, not of other train rows"
        f"{limit}."
    )
