"""Arrays as pictures: one style, a few kinds of figure, and how they leave as SVG, PNG or HTML."""
