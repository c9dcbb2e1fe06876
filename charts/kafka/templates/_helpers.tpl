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

{{- /* The broker's address for this chart's own pods. */ -}}
{{- define "kafka.brokers" -}}
{{- if eq .Values.mode "external" -}}
{{- required "external.brokers: say where the broker is" .Values.external.brokers -}}
{{- else -}}
{{- printf "%s-kafka-bootstrap:%d" .Values.name (ternary 9093 9092 (and (eq .Values.mode "strimzi") .Values.auth.enabled)) -}}
{{- end -}}
{{- end -}}

{{- /* How rpk reaches the broker and logs in, as its environment. */ -}}
{{- define "kafka.rpkEnv" -}}
{{- $strimzi := and (eq .Values.mode "strimzi") .Values.auth.enabled -}}
{{- $external := and (eq .Values.mode "external") .Values.external.authSecret -}}
- {name: RPK_BROKERS, value: {{ include "kafka.brokers" . | quote }}}
- {name: HOME, value: /tmp}
{{- if or $strimzi $external }}
- {name: RPK_SASL_MECHANISM, value: SCRAM-SHA-512}
- {name: RPK_TLS_ENABLED, value: "true"}
{{- end }}
{{- if $strimzi }}
- {name: RPK_TLS_CA, value: /etc/broker/ca.crt}
- {name: RPK_USER, value: {{ .Values.auth.user | quote }}}
- name: RPK_PASS
  valueFrom: {secretKeyRef: {name: {{ .Values.auth.user }}, key: password}}
{{- end }}
{{- if $external }}
- name: RPK_USER
  valueFrom: {secretKeyRef: {name: {{ .Values.external.authSecret }}, key: username}}
- name: RPK_PASS
  valueFrom: {secretKeyRef: {name: {{ .Values.external.authSecret }}, key: password}}
{{- end }}
{{- end -}}

{{- define "kafka.rpkPodSecurity" -}}
runAsNonRoot: true
runAsUser: 101
runAsGroup: 101
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- /* The pod of `helm test`. */ -}}
{{- define "kafka.testSelector" -}}
app.kubernetes.io/name: broker-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
