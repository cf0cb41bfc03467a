"""Several recipes on one data set with one budget, and the page that shows them side by side."""
