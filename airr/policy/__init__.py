"""The ideator as a model that is trained: sampled from, rewarded by execution, and updated."""
