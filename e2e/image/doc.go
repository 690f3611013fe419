// Package image tests the container image from outside, as the platform meets it: the real Dockerfile is built on local
// stand-ins for its two bases, started on a private network beside an origin whose alias is next-hop, and held against every
// clause of the contract (docs/contract.md lists which test belongs to which).
//
// The tests are compiled with the build tag "image", since they need a Docker engine: make image-test runs them, and make test
// does so where an engine answers. What they create carries a label of its own run and is removed at the end.
package image
