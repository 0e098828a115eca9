<?php

namespace App\Models;

use Illuminate\Database\Eloquent\Model;

class InstanceSettings extends Model
{
    protected $guarded = [];
}
