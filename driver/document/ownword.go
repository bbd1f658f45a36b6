package document

// ownWord returns the key of scenarios that stands for a key in the files of WireMock
// or MockServer, "" if there is none or if it has the same name.
func ownWord(key string) string {
	switch key {
	case "jsonBody", "responseBody":
		return "body"
	case "base64Body":
		return "body_base64"
	case "bodyFileName":
		return "file"
	case "statusCode", "responseCode":
		return "status"
	case "fixedDelayMilliseconds", "delayDistribution", "delay", "delay_ms":
		return "latency_ms"
	case "scenarioName", "requiredScenarioState", "newScenarioState":
		return "state"
	case "serveEventListeners", "postServeActions", "webhooks":
		return "after"
	case "queryParameters", "queryStringParameters":
		return "query"
	case "urlPath", "urlPathPattern", "urlPathTemplate":
		return "path"
	case "url", "urlPattern":
		return "target"
	case "pathParameters":
		return "params"
	case "formParameters":
		return "form"
	case "multipartPatterns":
		return "parts"
	case "bodyPatterns":
		return "body_json"
	case "equalTo":
		return "equals"
	case "matches", "matchesRegex":
		return "regex"
	case "doesNotMatch", "doesNotContain":
		return "not"
	case "matchesJsonPath":
		return "body_json"
	case "equalToJson":
		return "body_includes"
	case "matchesJsonSchema":
		return "body_schema"
	case "equalToXml", "matchesXPath":
		return "body_xml"
	}
	return ""
}
