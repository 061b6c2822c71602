{{- define "kindling.name" -}}
{{ .Values.fullname | default .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "kindling.selector" -}}
app.kubernetes.io/name: kindling
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "kindling.labels" -}}
{{ include "kindling.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "kindling.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
