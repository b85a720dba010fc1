"""Shared by all plots: colours and figures."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito's colour-blind-safe palette, then darker and lighter colours
COLORS = (
    '#0072B2 #E69F00 #009E73 #D55E00 #CC79A7 #56B4E9 #000000 #F0E442 '
    '#7F3C8D #80BA5A #A5AA99 #994E00 #004D80 #7A5200 #FF9DA7 #4B4B8F '
    '#B07AA1 #59A14F #9C755F #BAB0AC'
).split()


def new_figure(width: float, height: float) -> Figure:
    """Make a figure that needs no display and no pyplot state; sizes in inches."""
    figure = Figure(figsize=(width, height), layout='constrained', dpi=130)
    FigureCanvasAgg(figure)
    return figure
