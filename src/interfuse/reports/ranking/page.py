"""A ranking over data sets as one self-contained page; its figures need no script."""

from interfuse.core.ranking import Ranking
from interfuse.evaluation import spell_p, spell_points
from interfuse.reports.ranking.figures import draw_forests, draw_ranks
from interfuse.reports.ranking.tables import overall_cells, spell_critical, spell_difference
from interfuse.reports.styles import open_templates


def ranking_to_html(ranking: Ranking) -> str:
    """Render the page."""
    environment = open_templates()
    environment.filters |= {"points": spell_points, "difference": spell_difference, "p": spell_p}
    test = ranking.test
    return environment.get_template("ranking.html.j2").render(
        ranking=ranking,
        tone=_tone(ranking),
        rows=[(one, overall_cells(one)[1:]) for one in ranking.designs],
        forests=draw_forests(ranking),
        ranks=draw_ranks(ranking.designs, test) if test is not None else None,
        critical=spell_critical(ranking),
        signed=any(pair.p_holm is not None for pair in ranking.pairs),
    )


def _tone(ranking: Ranking) -> str:
    """Return the colour of the verdict's mark."""
    words = {one.verdict for one in ranking.designs}
    return "good" if "wins" in words else "bad" if "loses" in words else "open"
