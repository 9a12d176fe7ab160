// Package deployments tests what stands in the folder deployments, as far as that can be done without Docker.
package deployments
