{{- define "dapr.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: todo-chatbot
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- /* A document of dapr/ with what every object of a release has. */ -}}
{{- define "dapr.adopt" -}}
{{- $doc := .doc -}}
{{- $_ := set $doc.metadata "namespace" .root.Release.Namespace -}}
{{- $_ := set $doc.metadata "labels" (include "dapr.labels" .root | fromYaml) -}}
{{- toYaml $doc -}}
{{- end -}}

{{- /* A file of dapr/, read. */ -}}
{{- define "dapr.read" -}}
{{- $text := .root.Files.Get .path -}}
{{- if not $text -}}
{{- fail (printf "%s is not there: the chart was packed without the files of dapr/" .path) -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{- /* A component: what its file takes from the environment comes from the values instead. */ -}}
{{- define "dapr.component" -}}
{{- $root := .root -}}
{{- $doc := include "dapr.read" . | fromYaml -}}
{{- $optional := list "REDIS_PASSWORD" "SMTP_USER" "SMTP_PASSWORD" -}}
{{- $entries := list -}}
{{- range $entry := $doc.spec.metadata -}}
{{- if $entry.envRef -}}
{{- $given := get $root.Values.settings $entry.envRef | default dict -}}
{{- if and $given.secretKeyRef $given.value -}}
{{- fail (printf "settings.%s: a value or a secretKeyRef, not both; `secretKeyRef: null` takes away the chart's own" $entry.envRef) -}}
{{- else if $given.secretKeyRef -}}
{{- $entries = append $entries (dict "name" $entry.name "secretKeyRef" $given.secretKeyRef) -}}
{{- else if $given.value -}}
{{- $entries = append $entries (dict "name" $entry.name "value" ($given.value | toString)) -}}
{{- else if not (has $entry.envRef $optional) -}}
{{- fail (printf "settings.%s: the component %s needs a value or a secretKeyRef" $entry.envRef $doc.metadata.name) -}}
{{- end -}}
{{- else -}}
{{- $entries = append $entries $entry -}}
{{- end -}}
{{- end -}}
{{- if eq $doc.spec.type "pubsub.kafka" -}}
{{- $entries = concat (include "dapr.withoutAuth" (dict "entries" $entries) | fromYamlArray) (include "dapr.kafkaAuth" $root | fromYamlArray) -}}
{{- end -}}
{{- if and (eq $doc.spec.type "state.redis") $root.Values.redis.tls -}}
{{- $entries = append $entries (dict "name" "enableTLS" "value" "true") -}}
{{- end -}}
{{- $_ := set $doc.spec "metadata" $entries -}}
{{- $_ := set $doc "auth" (dict "secretStore" "kubernetes") -}}
{{- include "dapr.adopt" (dict "doc" $doc "root" $root) -}}
{{- end -}}

{{- define "dapr.withoutAuth" -}}
{{- $kept := list -}}
{{- range .entries -}}
{{- if ne .name "authType" -}}
{{- $kept = append $kept . -}}
{{- end -}}
{{- end -}}
{{- toYaml $kept -}}
{{- end -}}

{{- /* How to log in to the broker, in the words of pubsub.kafka. */ -}}
{{- define "dapr.kafkaAuth" -}}
{{- $auth := .Values.kafka.auth -}}
{{- $tls := .Values.kafka.tls -}}
{{- if and (eq $auth.type "mtls") (not $tls.enabled) -}}
{{- fail "kafka.tls.enabled: auth mtls is by TLS" -}}
{{- end -}}
- name: authType
  value: {{ ternary "certificate" $auth.type (and $tls.enabled (eq $auth.type "none")) }}
{{- if eq $auth.type "password" }}
- name: saslUsername
  value: {{ $auth.username | quote }}
- name: saslPassword
  secretKeyRef: {{ toJson $auth.passwordSecret }}
- name: saslMechanism
  value: {{ $auth.mechanism | quote }}
{{- end }}
{{- if eq $auth.type "mtls" }}
- name: clientCert
  secretKeyRef: {name: {{ $tls.clientSecret }}, key: user.crt}
- name: clientKey
  secretKeyRef: {name: {{ $tls.clientSecret }}, key: user.key}
{{- end }}
{{- if $tls.enabled }}
{{- if $tls.caSecret.name }}
- name: caCert
  secretKeyRef: {{ toJson $tls.caSecret }}
{{- end }}
{{- else }}
- name: disableTls
  value: "true"
{{- end }}
{{- end -}}
