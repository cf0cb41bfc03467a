"""Masks found by a network: the U-Net that judges pairs, and photographs that are given masks by it."""
