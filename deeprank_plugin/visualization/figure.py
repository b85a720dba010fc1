"""What all pictures share."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers too, then darker and lighter ones
COLORS = (
    '#0072B2 #E69F00 #009E73 #D55E00 #CC79A7 #56B4E9 #000000 #F0E442 '
    '#7F3C8D #80BA5A #A5AA99 #994E00 #004D80 #7A5200 #FF9DA7 #4B4B8F '
    '#B07AA1 #59A14F #9C755F #BAB0AC'
).split()


def new_figure(width: float, height: float) -> Figure:
    """A figure that draws without a display and without pyplot's state; sizes in inches."""
    figure = Figure(figsize=(width, height), layout='constrained', dpi=130)
    FigureCanvasAgg(figure)
    return figure
