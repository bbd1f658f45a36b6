// Package export writes captured traffic as mocks: [Scenario] as a scenario that
// answers what was captured, [Mock] as the definition of one endpoint.
package export
