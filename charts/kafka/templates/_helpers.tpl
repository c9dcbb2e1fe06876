{{- define "kafka.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: todo-broker
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- /* All topics, dead letters too, as a list of name, partitions, retentionMs. */ -}}
{{- define "kafka.topics" -}}
{{- range .Values.topics }}
- {name: {{ .name }}, partitions: {{ .partitions }}, retentionMs: "{{ .retentionMs | int64 }}"}
{{- if .dead }}
- {name: {{ .name }}-dead, partitions: {{ $.Values.deadLetters.partitions }}, retentionMs: "{{ $.Values.deadLetters.retentionMs | int64 }}"}
{{- end }}
{{- end }}
{{- end -}}

{{- /* What the Pod Security level `restricted` asks of a container that Strimzi makes. */ -}}
{{- define "kafka.containerSecurity" -}}
allowPrivilegeEscalation: false
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "kafka.image" -}}
{{- $image := .Values.redpanda.image -}}
{{- if or (hasSuffix ":latest" $image) (not (regexMatch "[:@][^/]+$" $image)) -}}
{{- fail (printf "redpanda.image: %s says nothing of what runs; name a version or a digest" $image) -}}
{{- end -}}
{{- $image -}}
{{- end -}}
