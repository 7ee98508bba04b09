//! AWS Lambda: a SAM template with its bootstrap, and a Dockerfile for a function of package type Image.

use contract::report::Failure;

use super::openfaas::IGNORED;
use super::place::{Place, Requirements, Target};
use super::quote::{SHELL, YAML};
use super::{File, join, steps};

/// Where Lambda has a function's files.
const TASK: &str = "/var/task";

/// What is built beside the application.
pub fn function(place: &Place) -> Result<Vec<File>, Failure> {
    let mut lines = steps(
        &format!(
            "AWS Lambda: {} behind a function URL",
            place.target.below(&place.folder)
        ),
        &[
            &format!(
                "save template.yaml and bootstrap in {}; chmod 755 bootstrap",
                place.folder
            ),
            &format!(
                "copy {} there, built for the same architecture",
                place.program
            ),
            "sam build && sam deploy --guided",
            "or, as an image: docker build, with Dockerfile and .dockerignore",
        ],
    );
    let handler = match &place.target {
        Target::Path { relative, .. } if relative.is_empty() => ".",
        target => &target.below(""),
    };
    let handler = handler.trim_start_matches('/');
    lines.extend([
        "AWSTemplateFormatVersion: \"2010-09-09\"".into(),
        "Transform: AWS::Serverless-2016-10-31".into(),
        "Resources:".into(),
        "  Site:".into(),
        "    Type: AWS::Serverless::Function".into(),
        "    Properties:".into(),
        "      CodeUri: .".into(),
        "      Runtime: python3.13".into(),
        "      # What bootstrap passes on as APP.".into(),
        format!("      Handler: {}", YAML.quote(handler)?),
        "      Architectures: [x86_64]".into(),
        "      # Processor time comes with memory.".into(),
        "      MemorySize: 1024".into(),
        "      # Below the 30 seconds of API Gateway.".into(),
        "      Timeout: 29".into(),
        "      FunctionUrlConfig:".into(),
        "        AuthType: NONE".into(),
        "      Environment:".into(),
        "        Variables:".into(),
        "          # In the place of Lambda's own Python runtime.".into(),
        format!("          AWS_LAMBDA_EXEC_WRAPPER: {TASK}/bootstrap"),
        "Outputs:".into(),
        "  Url:".into(),
        "    Value: !GetAtt SiteUrl.FunctionUrl".into(),
    ]);
    Ok(vec![
        File::new("template.yaml", join(lines)),
        bootstrap(place)?,
        File::new("Dockerfile", join(image(place)?)),
        File::new(".dockerignore", IGNORED.into()),
    ])
}

fn bootstrap(place: &Place) -> Result<File, Failure> {
    let mut words = place.command_in(TASK)?;
    words.pop();
    let application = match place.target {
        Target::Path { .. } => "\"$LAMBDA_TASK_ROOT/$_HANDLER\"",
        Target::Module(_) => "\"$_HANDLER\"",
    };
    let words = [SHELL.words(&words)?, application.to_owned()].join(" ");
    let text = format!(
        "#!/bin/sh\n# Starts wsgi-cgi in the place of Lambda's own Python runtime. The handler's setting names the application.\n\
         exec \"$LAMBDA_TASK_ROOT/wsgi-cgi\" lambda {}\n",
        words.trim_start()
    );
    Ok(File {
        path: "bootstrap".into(),
        mode: 0o755,
        text,
    })
}

fn image(place: &Place) -> Result<Vec<String>, Failure> {
    let words: Result<Vec<_>, _> = place
        .command_in(TASK)?
        .iter()
        .map(|word| YAML.quote(word))
        .collect();
    let mut lines = vec![
        "# A function of package type Image. Build beside the application and wsgi-cgi.".to_owned(),
        "FROM amazon/aws-lambda-python:3.13".into(),
        "COPY wsgi-cgi /usr/local/bin/wsgi-cgi".into(),
    ];
    lines.extend(packages(place));
    lines.extend([
        "COPY . .".into(),
        "# In the place of the image's own runtime.".into(),
        "ENTRYPOINT [\"/usr/local/bin/wsgi-cgi\", \"lambda\"]".into(),
        format!("CMD [{}]", words?.join(", ")),
    ]);
    Ok(lines)
}

/// How the application's packages come into an image.
pub fn packages(place: &Place) -> Vec<String> {
    match place.requirements {
        Some(Requirements::List) => vec![
            "COPY requirements.txt .".into(),
            "RUN pip install --no-cache-dir -r requirements.txt".into(),
        ],
        Some(Requirements::Project) => {
            vec!["COPY . .".into(), "RUN pip install --no-cache-dir .".into()]
        }
        None => Vec::new(),
    }
}
