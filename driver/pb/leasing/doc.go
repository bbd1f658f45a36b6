// Package leasing is the API by which clients lease exporters of a controller:
// jumpstarter.client.v1. The program does not speak it; the stand-in for a
// controller, with which the exporter is tested, does.
package leasing
