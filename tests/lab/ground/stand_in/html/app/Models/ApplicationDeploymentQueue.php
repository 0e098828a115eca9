<?php

namespace App\Models;

use Illuminate\Database\Eloquent\Model;

class ApplicationDeploymentQueue extends Model
{
    protected $guarded = [];
}
