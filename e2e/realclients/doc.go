// Package realclients has the clients that people really use talk to real servers through the built proxyd: curl, git, wrk, a
// WebSocket client and a browser. Its tests have the build tag realclients and are run by "make realclients".
package realclients
