"""Report as one self-contained HTML page: the verdict, the plots, the limits, the figures and the costs."""

from dataclasses import asdict

from jinja2 import Environment
from markupsafe import Markup

from keyturn_lab.capacity.costs import describe_costs
from keyturn_lab.capacity.plot import draw_delays, draw_limits
from keyturn_lab.capacity.study import Study, format_figure

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Keyturn: capacity</title>
<style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; font-size: .9rem; display: block; overflow-x: auto }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8886; vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.broken { color: #d1782c } svg { max-width: 100%; height: auto }
</style>
<h1>Capacity</h1>
<p><strong>{{ study.verdict }}</strong></p>
<p>{% for name, value in demand %}{{ name }} {{ value }}{{ "" if loop.last else "; " }}{% endfor %}.</p>
<h2>Limits</h2>
{{ limits_svg }}
<table><tr><th>limit</th><th>needed</th><th>available</th><th>used</th><th>what to do</th></tr>
{% for each in study.limits %}<tr{% if not each.is_met %} class="broken"{% endif %}><td>{{ each.name }}</td>
<td class="n">{{ figure(each.needed, each.unit) }}</td><td class="n">{{ figure(each.available, each.unit) }}</td>
<td class="n">{{ "%.2g"|format(each.load) }}</td><td>{{ each.remedy }}</td></tr>
{% endfor %}</table>
<h2>From revocation to refusal</h2>
{{ seen_svg }}
<h2>Figures</h2>
<table>{% for each in study.lines %}<tr><td>{{ each.chapter }}</td><td>{{ each.name }}</td>
<td class="n">{{ figure(each.value, each.unit) }}</td></tr>
{% endfor %}</table>
<h2>Costs the model starts from</h2>
<table>{% for each in costs %}<tr><td>{{ each.meaning }}</td><td class="n">{{ figure(each.value, each.unit) }}</td>
<td>{{ each.source }}</td></tr>
{% endfor %}</table>
</html>
"""


def render(study: Study) -> str:
    """Render the page. All values are escaped; the plots are inserted as SVG."""
    template = Environment(autoescape=True).from_string(_PAGE)
    name = study.model.demand.transport
    return template.render(
        study=study,
        figure=format_figure,
        demand=[(each.replace("_", " "), value) for each, value in asdict(study.model.demand).items()],
        costs=describe_costs(study.model.costs),
        limits_svg=_inline(draw_limits(study.limits)),
        seen_svg=_inline(draw_delays([(name, study.outcome)])),
    )


def _inline(svg: bytes) -> Markup:
    text = svg.decode()
    return Markup(text[text.index("<svg") :])  # noqa: S704 - drawn by us from numbers and names of our own
