"""Kinds of data set: how what a hospital has becomes images of one size. A kind is a file of this folder."""
