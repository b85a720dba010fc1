"""Convert raw files of data sets to annotations in MMAction2's format."""
